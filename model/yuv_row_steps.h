#ifndef RESNET_MODEL_YUV_ROW_STEPS_H
#define RESNET_MODEL_YUV_ROW_STEPS_H

// The loops of YuvRows over the columns of rows.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "model/vector_unit.h"

namespace resnet {

/// RGB between the passes of YuvReducer comes in such parts of an 8-bit step: as many as let every luma and
/// every chroma be added in 16 bits, whatever the matrix.
constexpr int parts_of_step = 119;

/// Fraction bits of the weights that YuvRows takes. Those of a sum come to row_weight_unit.
constexpr int row_weight_bits = 15;
constexpr int row_weight_unit = (1 << row_weight_bits) - 1;

namespace yuv_rows {

/// Luma and chroma are added with such an offset that 255 becomes the highest number of 16 bits, where
/// addition saturates, and 0 becomes `black`.
constexpr int white = 0xFFFF;
constexpr int black = white - 255 * parts_of_step;

/// Columns that are worked on at once. Rows have room for whole ones.
constexpr std::size_t block = 64;

/// What to multiply samples by, and to add: YuvCoefficients in 16 bits.
struct Factors {
  std::uint16_t luma = 0, red_v = 0, green_u = 0, green_v = 0, blue_u = 0;  ///< 8 fraction bits
  std::uint16_t red = 0, green = 0, blue = 0;                               ///< to add
};

/// Three channels of a row.
struct Channels {
  std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
};

/// Where chroma samples are: at every column, at every second one, or between two.
enum class Widening : std::uint8_t { none, cosited, between };

/// Chroma of a row, from the first column's sample on. Of samples for two columns the one behind the last one
/// is there, too; between columns also the one before the first.
struct Samples {
  const std::uint8_t *u = nullptr, *v = nullptr;  ///< no `v`: pairs of both
  Widening widening = Widening::none;
};

/// Where a row that is read soon lies, and how many of its bytes a block of columns takes.
struct Soon {
  const std::uint8_t* row = nullptr;
  std::size_t block_bytes = 0;

  /// Into the caches, of the block that begins with a column.
  void fetch(std::size_t column) const { __builtin_prefetch(row + column / block * block_bytes); }
};

/// What a row of a band is made of.
struct Parts {
  const std::uint8_t* luma = nullptr;
  const std::uint16_t *terms = nullptr, *farther = nullptr;  ///< three quarters of one, if there is another
  std::int32_t weight = 0, next_weight = 0;                  ///< twice, in each half of the 32 bits
  std::array<Soon, 3> soon;
};

/// Neighbouring rows, and how many numbers lie from a channel to the next in terms and in sums.
struct Band {
  std::span<const Parts> rows;
  std::uint16_t luma_factor = 0;
  std::size_t columns = 0, stride = 0;
};

/// The loops for one kind of processor. Each kind has the columns of terms and of begun sums in an order of
/// its own; else all come to the same bits. Scratch memory is two rows of columns.
struct Steps {
  /// Bytes that come in turns.
  void (*split)(const std::uint8_t* in, std::size_t count, std::uint8_t* low, std::uint8_t* high);
  /// What chroma adds to the channels of columns.
  void (*make_terms)(const Factors& factors, const Samples& samples, std::size_t columns, const Channels& to,
                     std::uint16_t* scratch);
  /// YuvRows::add.
  void (*add)(const Band& band, std::int16_t* begun, std::int16_t* done, std::uint16_t* scratch);
};

const Steps& portable_steps();
/// On x86-64, where the processor has VectorUnit::avx512_vbmi.
const Steps& vbmi_steps();

/// (a + b + 1) / 2 of each number.
void average_rows(const std::uint16_t* first, const std::uint16_t* second, std::size_t count,
                  std::uint16_t* out);

}  // namespace yuv_rows

}  // namespace resnet

#endif
