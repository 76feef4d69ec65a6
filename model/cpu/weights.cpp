#include "model/cpu/weights.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "model/quantization.h"

namespace resnet::cpu {

void FreeBytes::operator()(std::byte* bytes) const { std::free(bytes); }

Bytes allocate(std::size_t size) {
  const std::size_t whole = std::max((size + line_bytes - 1) / line_bytes, std::size_t{1}) * line_bytes;
  auto* bytes = static_cast<std::byte*>(std::aligned_alloc(line_bytes, whole));
  if (bytes == nullptr) throw std::bad_alloc();
  return Bytes(bytes);
}

ScaledWeights scale_weights(WeightType type, const at::Tensor& weight) {
  const auto channels = static_cast<std::size_t>(weight.size(0));
  if (type != WeightType::s8) return {weight.contiguous(), std::vector<float>(channels, 1.0F)};
  const QuantizedWeights quantized = quantize_weights(weight);
  const auto* scale = quantized.scale.const_data_ptr<float>();
  return {quantized.values.to(at::kFloat).contiguous(), std::vector<float>(scale, scale + channels)};
}

ChannelFactors channel_factors(const std::vector<float>& weight_scale, const at::Tensor& bias,
                               float input_scale, const Quantizer& output) {
  const auto padded = static_cast<std::size_t>(padded_channels(static_cast<int>(weight_scale.size())));
  ChannelFactors factors{std::vector<float>(padded, 0.0F), std::vector<float>(padded, 0.0F)};
  const float* summand = bias.const_data_ptr<float>();
  for (std::size_t i = 0; i < weight_scale.size(); ++i) {
    factors.scale[i] = weight_scale[i] * input_scale / output.scale;
    factors.bias[i] = summand[i] / output.scale + output.zero;
  }
  return factors;
}

}  // namespace resnet::cpu
