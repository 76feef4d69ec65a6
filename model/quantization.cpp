#include "model/quantization.h"

#include <array>
#include <cmath>
#include <cstdio>

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include "model/error.h"

namespace resnet {
namespace {

constexpr double kMaxWeight = 127;

bool is_convolution(const std::string& step_name) { return !step_name.empty() && step_name != "fc"; }

}  // namespace

std::string accuracy_text(const QuantizationAccuracy& accuracy) {
  std::array<char, 200> text{};
  const double loss = accuracy.loss();
  std::snprintf(
      text.data(), text.size(),
      "int8 %.4f of %d held-out pictures right, fp32 %.4f (%.2f points %s), the same class first for %.4f",
      accuracy.int8, accuracy.pictures, accuracy.fp32, std::abs(loss), loss < 0 ? "gained" : "lost",
      accuracy.agreement);
  return text.data();
}

QuantizedWeights quantize_weights(const at::Tensor& weight) {
  const at::Tensor scale = weight.abs().amax({1, 2, 3}) / kMaxWeight;
  QuantizedWeights result;
  result.scale = at::where(scale.ge(kSmallestScale), scale, at::ones_like(scale));
  const at::Tensor steps = weight.to(at::kDouble) / result.scale.to(at::kDouble).view({-1, 1, 1, 1});
  result.values = steps.round().to(at::kChar);
  return result;
}

at::Tensor fold_pixels(const at::Tensor& weight, const Preprocessing& preprocessing) {
  const at::Tensor std = at::tensor(at::ArrayRef<float>(preprocessing.std)).to(at::kDouble);
  return (weight.to(at::kDouble) / (std * 255).view({1, 3, 1, 1})).to(at::kFloat);
}

std::vector<std::string> step_names(const Architecture& architecture) {
  std::vector<std::string> names{"conv1", ""};
  const int convolutions = architecture.block == BlockType::basic ? 2 : 3;
  for (int stage = 0; stage < 4; ++stage) {
    for (int index = 0; index < architecture.layers[static_cast<std::size_t>(stage)]; ++index) {
      const std::string block = "layer" + std::to_string(stage + 1) + "." + std::to_string(index) + ".";
      for (int i = 1; i < convolutions; ++i) names.push_back(block + "conv" + std::to_string(i));
      const bool downsampled = index == 0 && (stage > 0 || architecture.expansion() != 1);
      if (downsampled) names.push_back(block + "downsample.0");
      names.push_back(block + "conv" + std::to_string(convolutions));
    }
  }
  names.emplace_back("fc");
  return names;
}

void check_quantization(const Quantization& quantization, const Architecture& architecture,
                        const std::string& where) {
  const std::vector<std::string> names = step_names(architecture);
  const std::vector<float>& scales = quantization.output_scale;
  if (scales.size() != names.size()) {
    throw Error(ErrorCode::mismatch, where + " states " + std::to_string(scales.size()) +
                                         " output scales of a quantization; its network, " +
                                         architecture.name() + ", has " + std::to_string(names.size()) +
                                         " steps, each of which needs one");
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const float scale = scales[i];
    const bool fits =
        is_convolution(names[i]) ? scale >= kSmallestScale && scale <= kLargestScale : scale == 0;
    if (fits) continue;
    throw Error(ErrorCode::format,
                where + ": the quantization's output scale " + std::to_string(i) + " (" +
                    (names[i].empty() ? "the pool" : "'" + names[i] + "'") + ") must be " +
                    (is_convolution(names[i]) ? "from 1e-30 to 1e30" : "0, as it is no convolution's"));
  }
}

}  // namespace resnet
