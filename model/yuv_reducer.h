#ifndef RESNET_MODEL_YUV_REDUCER_H
#define RESNET_MODEL_YUV_REDUCER_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/line_vector.h"
#include "model/resample.h"
#include "model/sum_narrower.h"
#include "model/yuv_rows.h"

namespace resnet {

/// Makes pictures of 8-bit YUV smaller in both directions by bilinear, in one go over their rows: vertically
/// first, in 16 bits, rounded once at the end. At most one 8-bit step from RowConverter, RowNarrower and a
/// vertical pass, and much faster.
class YuvReducer {
 public:
  static bool serves(const PixelSource& source, const Preprocessing& preprocessing) {
    return YuvRows::serves(source) && preprocessing.interpolation == Interpolation::bilinear;
  }
  /// Whether it makes both sides smaller: to eight ninths at least, and to a thirtieth at most.
  static bool serves(const ResamplePlan& plan);

  YuvReducer() = default;
  /// @param plan one that this serves  @param unit the processor must have it
  explicit YuvReducer(const ResamplePlan& plan, VectorUnit unit = best_vector_unit());

  /// Before the rows of each picture, or those from `output` on.
  void start(const PixelSource& source, std::size_t output = 0);
  /// The output rows one after another, three bytes a pixel.  @param source that of start()
  void next_row(const PixelSource& source, std::uint8_t* to);

 private:
  /// What a row of the picture adds to outputs `output` and `output` + 1.
  struct Share {
    std::size_t output = 0;
    std::int16_t weight = 0, next_weight = 0;
  };

  void add_rows(const PixelSource& source);
  std::int16_t* sums(std::size_t output) { return &sums_[output % 2 * 3 * rows_.stride()]; }

  YuvRows rows_;
  SumNarrower narrower_;
  int first_row_ = 0;
  std::vector<Share> shares_;         // of each row from first_row_ on
  std::size_t row_ = 0, output_ = 0;  // what comes next
  LineVector<std::int16_t> sums_;     // of two outputs
  LineVector<std::int16_t> done_;     // of one
};

}  // namespace resnet

#endif
