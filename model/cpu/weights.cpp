#include "model/cpu/weights.h"

#include <algorithm>
#include <cmath>

#include <ATen/ops/empty.h>

#include "model/quantization.h"
#include "model/vectorise.h"

namespace resnet::cpu {

namespace {

template <WeightType type>
[[gnu::always_inline]] inline void write_each(std::byte* to, const float* weights, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    write_weight(to + i * static_cast<std::size_t>(weight_bytes(type)), type, weights[i]);
}

// With the type known, it is a loop of vectors.
RESNET_VECTORISE void write_bf16(std::byte* to, const float* weights, std::size_t count) {
  write_each<WeightType::bf16>(to, weights, count);
}
RESNET_VECTORISE void write_s8(std::byte* to, const float* weights, std::size_t count) {
  write_each<WeightType::s8>(to, weights, count);
}
RESNET_VECTORISE void write_s16(std::byte* to, const float* weights, std::size_t count) {
  write_each<WeightType::s16>(to, weights, count);
}
RESNET_VECTORISE void to_floats(const std::int8_t* values, std::size_t count, float* __restrict to) {
  for (std::size_t i = 0; i < count; ++i) to[i] = values[i];
}

}  // namespace

std::byte* write_weights(std::byte* to, WeightType type, std::span<const float> weights) {
  switch (type) {
    case WeightType::fp32:
      std::memcpy(to, weights.data(), weights.size_bytes());
      break;
    case WeightType::bf16:
      write_bf16(to, weights.data(), weights.size());
      break;
    case WeightType::s8:
      write_s8(to, weights.data(), weights.size());
      break;
    case WeightType::s16:
      write_s16(to, weights.data(), weights.size());
      break;
  }
  return to + weights.size() * static_cast<std::size_t>(weight_bytes(type));
}

ScaledWeights scale_weights(WeightType type, const at::Tensor& weight) {
  const auto channels = static_cast<std::size_t>(weight.size(0));
  if (type != WeightType::s8) return {weight.contiguous(), std::vector<float>(channels, 1.0F)};
  const QuantizedWeights quantized = quantize_weights(weight);
  const auto* scale = quantized.scale.const_data_ptr<float>();
  // Not by LibTorch, whose threads spin for a while after an operator.
  at::Tensor values = at::empty(weight.sizes(), at::kFloat);
  to_floats(quantized.values.const_data_ptr<std::int8_t>(), static_cast<std::size_t>(values.numel()),
            values.mutable_data_ptr<float>());
  return {values, std::vector<float>(scale, scale + channels)};
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
