#ifndef RESNET_MODEL_YUV_ROWS_H
#define RESNET_MODEL_YUV_ROWS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/line_vector.h"
#include "model/resample_math.h"
#include "model/vector_unit.h"

namespace resnet {

/// RGB between the passes of YuvReducer comes in such parts of an 8-bit step: as many as let every luma and
/// every chroma be added in 16 bits, whatever the matrix.
constexpr int parts_of_step = 119;

/// Fraction bits of the weights that YuvRows takes. Those of a sum come to row_weight_unit.
constexpr int row_weight_bits = 15;
constexpr int row_weight_unit = (1 << row_weight_bits) - 1;

/// Converts rows of 8-bit YUV to RGB and adds them up, weighted: load_rgb, but for its rounding to 8 bits.
/// The sums are the same bits with each VectorUnit. Keeps its scratch rows.
class YuvRows {
 public:
  /// Sums of the columns from an even one on: a plane each of red, green and blue, `stride` apart.
  struct Sums {
    std::int16_t* planes = nullptr;
    std::int16_t weight = 0;  ///< of the row to be added
  };

  YuvRows() = default;
  /// For columns begin…end−1 of pictures.  @param unit the processor must have it
  YuvRows(int begin, int end, VectorUnit unit);

  static bool serves(const PixelSource& source) { return source.kind == PixelKind::yuv && source.depth == 8; }

  /// The first column of the sums: `begin`, or the one before.
  int left() const { return left_; }
  /// Numbers from a plane of the sums to the next: more than there are columns, to be read without heed.
  std::size_t stride() const { return stride_; }

  /// Before the rows of each picture.  @param source one that this serves
  void start(const PixelSource& source);
  /// Adds row `y` to two sums.
  void add(const PixelSource& source, int y, const Sums& first, const Sums& second);
  /// Moves finished sums to planes in the order of the columns, as far apart, and clears them.
  void take(std::int16_t* sums, std::int16_t* planes) const;

  /// Where a row that is read soon lies, and how many of its bytes a block of columns takes.
  struct Soon {
    const std::uint8_t* row = nullptr;
    std::size_t block_bytes = 0;
  };

  /// What to multiply samples by, and to add: YuvCoefficients in 16 bits.
  struct Factors {
    std::uint16_t luma = 0, red_v = 0, green_u = 0, green_v = 0, blue_u = 0;  ///< 8 fraction bits
    std::uint16_t red = 0, green = 0, blue = 0;                               ///< to add
  };

 private:
  std::array<Soon, 3> look_ahead(const PixelSource& source, int y) const;
  const std::uint8_t* split(const PixelSource& source, int y);
  std::uint16_t* terms_of_row(const PixelSource& source, int row);
  const std::uint16_t* terms_of_rows(const PixelSource& source, const ChromaTap& rows);
  void weigh(const PixelSource& source, int row, std::uint16_t* terms) const;
  /// Three planes, each from the first sample that the columns need, with one more before and behind them.
  std::uint16_t* terms(std::size_t which) { return &terms_[which * 3 * terms_stride_ + before_terms]; }

  static constexpr std::size_t before_terms = 32;  // numbers, of which one has a meaning

  int left_ = 0, end_ = 0;
  std::size_t columns_ = 0, stride_ = 0, terms_stride_ = 0;
  VectorUnit unit_ = VectorUnit::none;

  // Of a picture.
  bool half_width_ = false, cosited_ = false;
  bool v_first_ = false;                  // of pairs: V is taken for U, and red for blue
  int sample_ = 0;                        // of chroma, the first that is read,
  std::size_t samples_ = 0, before_ = 0;  // how many are, and of these before the columns
  Factors factors_;
  std::array<int, 2> held_{};  // rows whose terms are there

  LineVector<std::uint16_t> terms_;         // what chroma adds to a channel: of two rows, and of a mixture
  std::vector<std::uint16_t> wide_;         // terms of a channel at luma resolution
  std::vector<std::uint16_t> averages_;     // of neighbours among the terms
  std::vector<std::int16_t> values_;        // a channel of a row
  std::vector<std::uint8_t> luma_, pairs_;  // of a row that has them in turns
};

}  // namespace resnet

#endif
