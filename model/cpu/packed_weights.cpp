#include "model/cpu/packed_weights.h"

#include <algorithm>
#include <vector>

namespace resnet::cpu {

PackedWeights::PackedWeights(const Kernels& kernels, const at::Tensor& weight, int groups,
                             const WeightOrder& order, const Packing& packing)
    : size_(weight.dim() == 4 ? static_cast<int>(weight.size(2)) : 1) {
  const int together = terms(kernels.format), channels = line_channels(kernels.format) * together;
  const int outputs = static_cast<int>(weight.size(0));
  const int group_in = static_cast<int>(weight.size(1)), group_out = outputs / groups;
  std::ptrdiff_t lines = 0;
  for (int first = 0; first < outputs; first += output_group) {
    const int last = std::min(first + output_group, outputs) - 1;
    const int first_line = first / group_out * group_in / channels * together;
    const int end_line = divide_up((last / group_out + 1) * group_in, channels) * together;
    parts_.push_back({first_line, end_line - first_line, nullptr});
    lines += parts_.back().lines;
  }
  std::byte* place = packing.memory.take(static_cast<std::size_t>(lines * line_weights(output_group)));
  for (Part& part : parts_) {
    part.weights = place;
    place += part.lines * line_weights(output_group);
  }
  packing.parallel(parts(), [&](int index) { pack(kernels, weight, group_out, order, index); });
}

// The weights of a line for the outputs of a panel are put in order as numbers, which are few enough for the
// first caches: so the tensor is read from its begin to its end, and they are rounded in one go.
void PackedWeights::pack(const Kernels& kernels, const at::Tensor& weight, int group_out,
                         const WeightOrder& order, int index) const {
  const Part& part = parts_[static_cast<std::size_t>(index)];
  const int together = terms(kernels.format), channels = line_channels(kernels.format) * together;
  const int in_group = 4 / weight_bytes(kernels.weights);
  const int outputs = static_cast<int>(weight.size(0)), group_in = static_cast<int>(weight.size(1));
  const std::ptrdiff_t taps = std::ptrdiff_t{size_} * size_,
                       term_values = std::ptrdiff_t{order.panel} * channels,
                       tap_values = term_values * together;
  std::vector<std::ptrdiff_t> places;  // of the channels
  for (int k = 0; k < channels; ++k)
    places.push_back(std::ptrdiff_t{k / in_group} * order.tile * in_group + k % in_group);
  std::vector<float> values(static_cast<std::size_t>(taps * tap_values));
  std::byte* to = part.weights;
  const int first = index * output_group;
  for (int panel = first; panel < first + output_group; panel += order.panel) {
    for (int line = part.first_line; line < part.first_line + part.lines; line += together) {
      const int first_channel = line / together * channels;
      std::ranges::fill(values, 0.0F);
      for (int output = panel; output < std::min(panel + order.panel, outputs); ++output) {
        const int tile = (output - panel) / order.tile, in_tile = (output - panel) % order.tile;
        float* const at = values.data() + std::ptrdiff_t{tile} * order.tile * channels + in_tile * in_group;
        const int first_in = output / group_out * group_in;  // of its group
        const Range in{std::max(first_in, first_channel),
                       std::min(first_in + group_in, first_channel + channels)};
        const float* from =
            weight.const_data_ptr<float>() + (std::ptrdiff_t{output} * group_in + in.begin - first_in) * taps;
        for (int k = in.begin - first_channel; k < in.end - first_channel; ++k) {
          float* value = at + places[static_cast<std::size_t>(k)];
          for (std::ptrdiff_t tap = 0; tap < taps; ++tap) value[tap * tap_values] = *from++;
        }
      }
      if (together == 2) {
        for (float* high = values.data(); high < values.data() + values.size(); high += tap_values)
          std::transform(high, high + term_values, high + term_values,
                         [](float value) { return term_of(value, 1); });
      }
      to = write_weights(to, kernels.weights, values);
    }
  }
}

}  // namespace resnet::cpu
