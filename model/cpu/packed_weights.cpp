#include "model/cpu/packed_weights.h"

#include <algorithm>
#include <array>

namespace resnet::cpu {

PackedWeights::PackedWeights(const Kernels& kernels, const at::Tensor& weight, int groups,
                             const WeightOrder& order, const Parallel& parallel)
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
  bytes_ = allocate(static_cast<std::size_t>(lines * line_weights(output_group)));
  std::byte* place = bytes_.get();
  for (Part& part : parts_) {
    part.weights = place;
    place += part.lines * line_weights(output_group);
  }
  parallel(parts(), [&](int index) { pack(kernels, weight, group_out, order, index); });
}

void PackedWeights::pack(const Kernels& kernels, const at::Tensor& weight, int group_out,
                         const WeightOrder& order, int index) const {
  const Part& part = parts_[static_cast<std::size_t>(index)];
  const int together = terms(kernels.format), channels = line_channels(kernels.format) * together;
  const int outputs = static_cast<int>(weight.size(0)), group_in = static_cast<int>(weight.size(1));
  const int first = index * output_group;
  const float* from = weight.const_data_ptr<float>();
  const std::ptrdiff_t taps = std::ptrdiff_t{size_} * size_;
  std::array<int, output_group> first_in{};  // of each output's group
  for (int output = 0; output < output_group; ++output)
    first_in[static_cast<std::size_t>(output)] = (first + output) / group_out * group_in;
  std::byte* to = part.weights;
  for (int panel = 0; panel < output_group; panel += order.panel) {
    for (int line = part.first_line; line < part.first_line + part.lines; line += together) {
      const int first_channel = line / together * channels;
      for (std::ptrdiff_t tap = 0; tap < taps; ++tap) {
        for (int term = 0; term < together; ++term) {
          for (int tile = panel; tile < panel + order.panel; tile += order.tile) {
            const Range range{tile, tile + order.tile};
            to = write_weights(to, kernels.weights, range, channels, [&](int output, int k) {
              const int in = first_channel + k - first_in[static_cast<std::size_t>(output)];
              if (first + output >= outputs || in < 0 || in >= group_in) return 0.0F;
              return term_of(from[(std::ptrdiff_t{first + output} * group_in + in) * taps + tap], term);
            });
          }
        }
      }
    }
  }
}

}  // namespace resnet::cpu
