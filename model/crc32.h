#ifndef RESNET_MODEL_CRC32_H
#define RESNET_MODEL_CRC32_H

#include <cstddef>
#include <cstdint>

namespace resnet {

/// CRC-32 as zip and gzip use it (reflected polynomial 0xEDB88320).
std::uint32_t crc32(const void* data, std::size_t size);

}  // namespace resnet

#endif
