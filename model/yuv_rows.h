#ifndef RESNET_MODEL_YUV_ROWS_H
#define RESNET_MODEL_YUV_ROWS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/line_vector.h"
#include "model/resample_math.h"
#include "model/vector_unit.h"
#include "model/yuv_row_steps.h"

namespace resnet {

/// Converts rows of 8-bit YUV to RGB and adds them up, weighted: load_rgb, but for its rounding to 8 bits.
/// The sums are the same bits with each VectorUnit. Keeps its scratch rows.
class YuvRows {
 public:
  /// A row of the picture, and its weights in two sums.
  struct Row {
    int y = 0;
    std::int16_t weight = 0, next_weight = 0;
  };

  YuvRows() = default;
  /// For columns begin…end−1 of pictures, at most `most_rows` rows at once.
  /// @param unit the processor must have it
  YuvRows(int begin, int end, std::size_t most_rows, VectorUnit unit);

  static bool serves(const PixelSource& source) { return source.kind == PixelKind::yuv && source.depth == 8; }

  /// The first column of the sums: `begin`, or the one before.
  int left() const { return left_; }
  /// Sums are a plane each of red, green and blue, so many numbers apart: more than there are columns, to be
  /// read without heed.
  std::size_t stride() const { return stride_; }

  /// Before the rows of each picture.  @param source one that this serves
  void start(const PixelSource& source);
  /// Adds the rows of a band to two sums.
  /// @param band neighbouring rows  @param begun what rows before them added, zeros at first, of columns in
  /// an order of its own; after it, their `next_weight`s' sum  @param done `begun` and their `weight`s' sum
  void add(const PixelSource& source, std::span<const Row> band, std::int16_t* begun, std::int16_t* done);

 private:
  yuv_rows::Parts parts_of(const PixelSource& source, const Row& row, std::size_t place);
  std::array<yuv_rows::Soon, 3> look_ahead(const PixelSource& source, int y) const;
  const std::uint16_t* terms_of_row(const PixelSource& source, int row);
  const std::uint16_t* terms_between(const PixelSource& source, int first, int second);
  void split(const PixelSource& source, int y, std::uint8_t* luma);
  yuv_rows::Samples samples_of(const PixelSource& source, int row);
  const std::uint8_t* complete(const std::uint8_t* first, std::size_t step,
                               std::vector<std::uint8_t>& row) const;

  /// Of those held, the place for `key`.  @return whether it is there already
  bool hold(int key, std::uint16_t*& terms);

  int left_ = 0, end_ = 0;
  std::size_t columns_ = 0, stride_ = 0;
  const yuv_rows::Steps* steps_ = nullptr;

  // Of a picture.
  yuv_rows::Widening widening_ = yuv_rows::Widening::none;
  bool v_first_ = false;                           // of pairs: V is taken for U, and red for blue
  int keys_per_row_ = 1;                           // of chroma: two where rows between rows are held, too
  int sample_ = 0;                                 // of chroma, the first that is read,
  std::size_t samples_ = 0, before_ = 0;           // how many are, and of these before the columns
  bool lacks_first_ = false, lacks_last_ = false;  // of what Samples have: it is beyond the picture
  yuv_rows::Factors factors_;

  LineVector<std::uint16_t> terms_;         // what chroma adds to each channel, of the rows of a band
  std::vector<int> held_;                   // their keys, a power of two of them
  std::vector<yuv_rows::Parts> parts_;      // of a band
  std::vector<std::uint8_t> luma_, pairs_;  // of rows that have them in turns
  std::vector<std::uint8_t> u_, v_;         // samples of a row at the picture's end, with what lies beyond
  std::vector<std::uint16_t> scratch_;
};

}  // namespace resnet

#endif
