#ifndef RESNET_MODEL_YUV_REDUCER_H
#define RESNET_MODEL_YUV_REDUCER_H

#include <cstddef>
#include <cstdint>
#include <span>
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

  /// @param plan one that this serves  @param unit the processor must have it
  explicit YuvReducer(const ResamplePlan& plan, VectorUnit unit = best_vector_unit());

  /// Before the rows of each picture, or those from `output` on.
  void start(const PixelSource& source, std::size_t output = 0);
  /// The output rows one after another, three bytes a pixel.  @param source that of start()
  void next_row(const PixelSource& source, std::uint8_t* to);

 private:
  /// The rows that an output and the next one have in common, or that one of them has.
  struct Bands {
    std::vector<YuvRows::Row> rows;
    std::vector<std::size_t> begin;  // of each output's, and the end

    explicit Bands(const Coefficients& coefficients);
    std::span<const YuvRows::Row> of(std::size_t output) const;
    std::size_t most_rows() const;
  };

  Bands bands_;
  YuvRows rows_;
  SumNarrower narrower_;
  std::size_t output_ = 0;          // what comes next
  LineVector<std::int16_t> begun_;  // what bands before it added
  LineVector<std::int16_t> done_;
};

}  // namespace resnet

#endif
