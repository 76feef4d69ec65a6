#ifndef RESNET_MODEL_CPU_TILE_CONFIGURATION_H
#define RESNET_MODEL_CPU_TILE_CONFIGURATION_H

#include <cstdint>

namespace resnet::cpu {

/// What AMX's LDTILECFG reads: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfiguration) == 64);

}  // namespace resnet::cpu

#endif
