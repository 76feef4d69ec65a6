#include "training/calibration.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/conv2d.h>
#include <ATen/ops/relu.h>
#include <c10/core/InferenceMode.h>

#include "model/error.h"
#include "model/quantization.h"
#include "model/run_steps.h"

namespace resnet {
namespace {

/// Even at the smallest clipping point that is tried a step of 255 is six bins wide.
constexpr std::size_t kBins = 32768;
constexpr double kPercentile = 0.9999;
/// Clipping points that are tried: hundredths of the largest magnitude.
constexpr int kFirstTried = 10, kLastTried = 100;

bool is_convolution(const Step& step) {
  return step.kind == Step::Kind::convolution || step.kind == Step::Kind::convolution_add;
}

/// Largest magnitude in steps: without ReLU half the range is negative.
int levels_of(const Step& step) { return step.relu ? 255 : 127; }

}  // namespace

void Histogram::add(std::span<const float> values) {
  float largest = 0;
  bool finite = true;
  for (const float value : values) {
    largest = std::max(largest, std::abs(value));
    finite = finite && std::isfinite(value);
  }
  if (!finite) {
    throw Error(ErrorCode::device, "the network's values are not finite on the pictures to calibrate with");
  }
  if (largest > 0) grow_to(largest);
  const auto per_value = static_cast<float>(1 / bin_width());
  for (const float value : values) {
    if (value == 0) {
      ++zeros_;
    } else {
      ++bins_[std::min(kBins - 1, static_cast<std::size_t>(std::abs(value) * per_value))];
    }
  }
}

void Histogram::grow_to(double magnitude) {
  largest_ = std::max(largest_, magnitude);
  if (bins_.empty()) {
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    range_ = std::ldexp(1.0, exponent);
    bins_.assign(kBins, 0);
  }
  for (; range_ < magnitude; range_ *= 2) {
    for (std::size_t i = 0; i < kBins; ++i) {
      bins_[i] = i < kBins / 2 ? bins_[2 * i] + bins_[2 * i + 1] : 0;
    }
  }
}

double Histogram::percentile(double part) const {
  std::uint64_t total = zeros_;
  for (const std::uint64_t count : bins_) total += count;
  double left = part * static_cast<double>(total) - static_cast<double>(zeros_);
  if (left <= 0) return 0;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    left -= static_cast<double>(bins_[i]);
    if (left <= 0) return std::min(largest_, static_cast<double>(i + 1) * bin_width());
  }
  return largest_;
}

double Histogram::squared_error(double clip, int levels) const {
  const double step = clip / levels;
  double sum = 0;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    if (bins_[i] == 0) continue;
    const double value = (static_cast<double>(i) + 0.5) * bin_width();
    const double error = value - std::min(static_cast<double>(levels), std::nearbyint(value / step)) * step;
    sum += static_cast<double>(bins_[i]) * error * error;
  }
  return sum;
}

double Histogram::least_squares_clip(int levels) const {
  double best = largest_, least = HUGE_VAL;
  for (int hundredths = kFirstTried; hundredths <= kLastTried; ++hundredths) {
    const double clip = largest_ * hundredths / 100;
    const double error = squared_error(clip, levels);
    if (error >= least) continue;
    least = error;
    best = clip;
  }
  return best;
}

void Calibrator::observe(const at::Tensor& input) {
  const c10::InferenceMode inference;
  run_steps(steps_, input, [this](std::size_t index, const at::Tensor& x, const at::Tensor& residual) {
    const Step& step = steps_[index];
    at::Tensor output = at::conv2d(x, step.weight, step.bias, step.stride, step.padding, 1, step.groups);
    if (residual.defined()) output.add_(residual);
    if (step.relu) output.relu_();
    output = output.contiguous();
    histograms_[index].add({output.const_data_ptr<float>(), static_cast<std::size_t>(output.numel())});
    return output;
  });
}

std::vector<float> Calibrator::output_scales(CalibrationMethod method) const {
  std::vector<float> scales(steps_.size(), 0.0F);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (!is_convolution(steps_[i])) continue;
    const Histogram& histogram = histograms_[i];
    const int levels = levels_of(steps_[i]);
    double clip = histogram.largest();
    if (method == CalibrationMethod::percentile) clip = histogram.percentile(kPercentile);
    if (method == CalibrationMethod::mse) clip = histogram.least_squares_clip(levels);
    // Of an output that is always 0 any scale is right.
    scales[i] = clip > 0 ? std::max(static_cast<float>(clip / levels), kSmallestOutputScale) : 1.0F;
  }
  return scales;
}

}  // namespace resnet
