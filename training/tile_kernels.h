#ifndef RESNET_TRAINING_TILE_KERNELS_H
#define RESNET_TRAINING_TILE_KERNELS_H

#include <cstddef>
#include <cstdint>

/// Products of bf16 matrices by AMX's tiles, and the layouts that these need. Nothing here may run where
/// cpu::amx_bf16_kernels() is null.
namespace resnet::tiles {

/// The bits of a bf16 number.
using Bits = std::uint16_t;

constexpr int tile = 16;             ///< rows of a tile
constexpr int panel = 2 * tile;      ///< rows and columns of a product, and numbers that a step sums up
constexpr int step = panel * panel;  ///< numbers of `columns` that a step takes

/// Where factors begin: rows as they lie, columns as pack_columns() leaves them.
struct Factors {
  const Bits* rows = nullptr;
  const Bits* columns = nullptr;
};

/// The sum of `count` products, each of `steps` times 32 numbers that lie behind each other in a row.
struct Product {
  const Factors* factors = nullptr;
  std::size_t count = 0;
  int steps = 0;
  std::ptrdiff_t row_stride = 0;  ///< numbers between rows
};

/// The tiles that a thread has for as long as it lives. The last 16 rows of a product may be fewer.
class Tiles {
 public:
  explicit Tiles(int rows = tile);
  ~Tiles();
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

/// Writes [rows][32] sums, or adds to them.
/// @param blocks of 16 rows, 1 or 2
void multiply(const Product& product, int blocks, float* sums, std::ptrdiff_t stride, bool add);

/// The sums in bf16: [rows][32].
void narrow(const float* sums, int rows, Bits* to, std::ptrdiff_t stride);

/// [rows][32] → [rows/32][2][16 pairs of rows][16][2], with zeros for what rows lack.
void pack_columns(const Bits* from, std::ptrdiff_t stride, int rows, Bits* to);
/// [rows][32] → [32][rows], rows with zeros behind to a multiple of 32.
void transpose(const Bits* from, std::ptrdiff_t stride, int rows, Bits* to);
/// The same as pack_columns() of 32×32 numbers in fp32.
void pack_columns(const float* from, std::ptrdiff_t stride, Bits* to);
/// The same of their transpose.
void pack_transposed_columns(const float* from, std::ptrdiff_t stride, Bits* to);

}  // namespace resnet::tiles

#endif
