#ifndef RESNET_MODEL_CPU_WEIGHTS_H
#define RESNET_MODEL_CPU_WEIGHTS_H

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>

#include "model/cpu/memory.h"
#include "model/cpu/operation.h"

namespace resnet::cpu {

/// Who packs weights, and where they are as long as it is there.
struct Packing {
  const Parallel& parallel;
  Memory& memory;
};

/// The nearest whole number, half to even, of magnitudes below 2^22: adding 1.5·2^23 leaves no bits for a
/// fraction. std::lrint is a call without SSE 4.1.
inline std::int32_t to_whole(float value) {
  constexpr float shift = 12582912.0F;
  return std::bit_cast<std::int32_t>(value + shift) - std::bit_cast<std::int32_t>(shift);
}

/// The first or second of two bf16 numbers whose sum comes as near to a value as 2^−17 of it; of one, the
/// value.
inline float term_of(float value, int term) { return term == 0 ? value : value - c10::BFloat16(value); }

/// Writes one weight; returns the place behind it.
inline std::byte* write_weight(std::byte* to, WeightType type, float weight) {
  switch (type) {
    case WeightType::fp32:
      std::memcpy(to, &weight, 4);
      return to + 4;
    case WeightType::bf16: {
      const c10::BFloat16 rounded(weight);
      std::memcpy(to, &rounded, 2);
      return to + 2;
    }
    case WeightType::s8:
      *to = static_cast<std::byte>(static_cast<std::int8_t>(to_whole(weight)));
      return to + 1;
    case WeightType::s16:
      const auto whole = static_cast<std::int16_t>(to_whole(weight));
      std::memcpy(to, &whole, 2);
      return to + 2;
  }
  return to;
}

/// Writes weights one behind the other; returns the place behind them.
std::byte* write_weights(std::byte* to, WeightType type, std::span<const float> weights);

/// Writes weights as the kernels read them, [4-byte group][outputs][4 bytes]: value(output, k) for each of
/// the outputs and `count` products, filled up with 0 to whole groups. Returns the place behind them.
template <typename Value>
std::byte* write_weights(std::byte* to, WeightType type, Range outputs, int count, const Value& value) {
  const int in_group = 4 / weight_bytes(type);
  for (int group = 0; group < count; group += in_group) {
    for (int output = outputs.begin; output < outputs.end; ++output) {
      for (int k = group; k < group + in_group; ++k)
        to = write_weight(to, type, k < count ? value(output, k) : 0.0F);
    }
  }
  return to;
}

/// Weights of a convolution as the kernels multiply with them: real = scale · value.
struct ScaledWeights {
  at::Tensor values;         ///< [out, in/groups, k, k] fp32, contiguous; whole numbers for 8-bit weights
  std::vector<float> scale;  ///< [out]; 1 for others
};
ScaledWeights scale_weights(WeightType type, const at::Tensor& weight);

/// Factors and summands of output channels, in whole groups.
struct ChannelFactors {
  std::vector<float> scale, bias;
};

/// @param weight_scale of each channel
/// @param bias [out]
ChannelFactors channel_factors(const std::vector<float>& weight_scale, const at::Tensor& bias,
                               float input_scale, const Quantizer& output);

}  // namespace resnet::cpu

#endif
