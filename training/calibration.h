#ifndef RESNET_TRAINING_CALIBRATION_H
#define RESNET_TRAINING_CALIBRATION_H

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/lowering.h"

namespace resnet {

/// How the range of real values that 8 bits cover is chosen; what lies outside is clipped to it.
enum class CalibrationMethod : std::uint8_t {
  min_max,     ///< all that was seen
  percentile,  ///< all but one value in 10,000
  mse          ///< the range of least mean squared error of the values seen (as TensorRT's "mse")
};

/// The name in model files and on the command line.
constexpr const char* method_name(CalibrationMethod method) {
  return method == CalibrationMethod::min_max      ? "min-max"
         : method == CalibrationMethod::percentile ? "percentile"
                                                   : "mse";
}

/// How often magnitudes of values were seen, in equal bins from 0 up; grows with the values.
class Histogram {
 public:
  /// @throws Error device for a value that is not finite
  void add(std::span<const float> values);

  double largest() const { return largest_; }
  /// The magnitude at and below which that part of the values lies, 0…1.
  double percentile(double part) const;
  /// The clipping point c of least mean squared error when the values, clipped to c, are rounded to
  /// multiples of c/levels.
  double least_squares_clip(int levels) const;

 private:
  void grow_to(double magnitude);
  double bin_width() const { return range_ / static_cast<double>(bins_.size()); }
  double squared_error(double clip, int levels) const;

  double range_ = 0;  ///< where the last bin ends: a power of two
  double largest_ = 0;
  std::uint64_t zeros_ = 0;  ///< no scale errs on them
  std::vector<std::uint64_t> bins_;
};

/// Watches a lowered network compute in fp32.
class Calibrator {
 public:
  explicit Calibrator(std::vector<Step> steps) : steps_(std::move(steps)), histograms_(steps_.size()) {}

  /// Runs the convolutions on normalised pictures [n, 3, H, W] and counts their outputs.
  void observe(const at::Tensor& input);

  /// Quantization::output_scale by what was observed.
  std::vector<float> output_scales(CalibrationMethod method) const;

 private:
  std::vector<Step> steps_;
  std::vector<Histogram> histograms_;  ///< by step; of those that are no convolutions empty
};

}  // namespace resnet

#endif
