#ifndef RESNET_MODEL_RGB_ROWS_H
#define RESNET_MODEL_RGB_ROWS_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/resample.h"

namespace resnet {

// The inner loops over rows of interleaved 8-bit RGB, with the vector instructions that the processor has;
// the results are the same bits without.

enum class VectorUnit : std::uint8_t {
  none,
  avx2,
  avx512_vnni  ///< with VL
};

/// The best one here.
VectorUnit best_vector_unit();

/// The horizontal pass of Pillow's resize over one row after another.
class RowNarrower {
 public:
  RowNarrower() = default;
  /// The coefficients must outlive it, and not change.  @param unit the processor must have it
  explicit RowNarrower(const Coefficients& columns, VectorUnit unit = best_vector_unit());

  /// @param row from column columns.begin() on, to columns.end()  @param to three bytes for each output
  void run(const std::uint8_t* row, std::uint8_t* to) const;

 private:
  void pack(std::size_t output, std::size_t group, const std::int32_t* weights, std::size_t count);
  void run_portably(std::size_t from, const std::uint8_t* row, std::uint8_t* to) const;
  std::size_t run_with_avx2(const std::uint8_t* row, std::uint8_t* to) const;
  std::size_t run_with_vnni(const std::uint8_t* row, std::uint8_t* to) const;

  const Coefficients* columns_ = nullptr;
  VectorUnit unit_ = VectorUnit::none;
  std::size_t groups_ = 0;  // of four weights, for each output
  std::size_t wide_ = 0;    // the first so many outputs may be read in blocks of 16 bytes, and written in 4
  std::vector<std::int16_t> halves_;  // of weights, for AVX2
  std::vector<std::int8_t> thirds_;   // for VNNI
};

/// Planes of red, green and blue as pixels.
void interleave(const std::uint8_t* red, const std::uint8_t* green, const std::uint8_t* blue,
                std::size_t count, std::uint8_t* to);

/// Where the channels of a pixel lie.
struct PackedLayout {
  int step = 3, red = 0, green = 1, blue = 2;
};

/// Pixels of 3 or 4 bytes as RGB.
void repack(const std::uint8_t* pixels, const PackedLayout& layout, std::size_t count, std::uint8_t* to);

}  // namespace resnet

#endif
