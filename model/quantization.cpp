#include "model/quantization.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include "model/error.h"
#include "model/vectorise.h"

namespace resnet {
namespace {

constexpr float kMaxWeight = 127;

bool is_convolution(const std::string& step_name) { return !step_name.empty() && step_name != "fc"; }

// As bits, which are in the order of the magnitudes: so the loop needs no order of its own.
RESNET_VECTORISE float largest_magnitude(const float* values, std::size_t count) {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < count; ++i)
    most = std::max(most, std::bit_cast<std::uint32_t>(values[i]) & 0x7FFFFFFFU);
  return std::bit_cast<float>(most);
}

RESNET_VECTORISE int largest_magnitude(const std::int8_t* values, std::size_t count) {
  int most = 0;
  for (std::size_t i = 0; i < count; ++i) most = std::max(most, std::abs(int{values[i]}));
  return most;
}

RESNET_VECTORISE void multiply(const std::int8_t* values, std::size_t count, float factor,
                               float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(values[i]) * factor;
}

/// What one is, of weights up to this magnitude; 0: too small.
float step_of(float largest) {
  const float step = largest / kMaxWeight;
  return step >= kSmallestScale ? step : 0;
}

RESNET_VECTORISE void quantize(const float* values, std::size_t count, double scale,
                               std::int8_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(std::nearbyint(values[i] / scale)));
}

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
  const at::Tensor plain = weight.to(at::kFloat).contiguous();
  const std::int64_t channels = plain.size(0);
  const auto length = static_cast<std::size_t>(plain.numel() / channels);
  QuantizedWeights result{at::empty(plain.sizes(), at::kChar), at::empty({channels}, at::kFloat)};
  const float* from = plain.const_data_ptr<float>();
  auto* to = result.values.mutable_data_ptr<std::int8_t>();
  auto* scale = result.scale.mutable_data_ptr<float>();
  for (std::int64_t c = 0; c < channels; ++c, from += length, to += length) {
    const float step = step_of(largest_magnitude(from, length));
    scale[c] = step > 0 ? step : 1;
    quantize(from, length, double{scale[c]}, to);
  }
  return result;
}

at::Tensor to_real(const QuantizedWeights& weights) {
  at::Tensor real = at::empty(weights.values.sizes(), at::kFloat);
  const std::int64_t channels = real.size(0);
  const auto length = static_cast<std::size_t>(real.numel() / channels);
  const auto* from = weights.values.const_data_ptr<std::int8_t>();
  const auto* scale = weights.scale.const_data_ptr<float>();
  auto* to = real.mutable_data_ptr<float>();
  for (std::int64_t c = 0; c < channels; ++c, from += length, to += length)
    multiply(from, length, scale[c], to);
  return real;
}

bool stay_the_same(const QuantizedWeights& weights) {
  const std::int64_t channels = weights.values.size(0);
  const auto length = static_cast<std::size_t>(weights.values.numel() / channels);
  const auto* values = weights.values.const_data_ptr<std::int8_t>();
  const auto* scale = weights.scale.const_data_ptr<float>();
  for (std::int64_t c = 0; c < channels; ++c, values += length) {
    const int most = largest_magnitude(values, length);
    if (most != 0 && (most != 127 || step_of(kMaxWeight * scale[c]) == 0)) return false;
  }
  return true;
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
        is_convolution(names[i]) ? scale >= kSmallestOutputScale && scale <= kLargestScale : scale == 0;
    if (fits) continue;
    throw Error(ErrorCode::format,
                where + ": the quantization's output scale " + std::to_string(i) + " (" +
                    (names[i].empty() ? "the pool" : "'" + names[i] + "'") + ") must be " +
                    (is_convolution(names[i]) ? "from 1e-9 to 1e9" : "0, as it is no convolution's"));
  }
}

}  // namespace resnet
