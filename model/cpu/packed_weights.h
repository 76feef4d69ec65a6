#ifndef RESNET_MODEL_CPU_PACKED_WEIGHTS_H
#define RESNET_MODEL_CPU_PACKED_WEIGHTS_H

#include "model/cpu/weights.h"

namespace resnet::cpu {

/// In which order the weights of 64 outputs lie: [64/panel][line/terms][tap][terms][panel/tile][4-byte
/// group][tile][4 bytes].
struct WeightOrder {
  int panel = output_group;  ///< outputs that are computed together
  int tile = output_group;   ///< outputs whose groups lie behind each other
};

/// As kernels with blocks read them.
constexpr WeightOrder block_order{block_outputs, block_outputs / 2};

/// A convolution's weights, in parts of 64 output channels.
class PackedWeights {
 public:
  /// What the outputs of one part read, and their weights.
  struct Part {
    int first_line = 0, lines = 0;
    std::byte* weights = nullptr;
  };

  /// @param weight [out, in/groups, k, k] or [out, in/groups], fp32 and contiguous: of scale_weights()
  PackedWeights(const Kernels& kernels, const at::Tensor& weight, int groups, const WeightOrder& order,
                const Packing& packing);

  int parts() const { return static_cast<int>(parts_.size()); }
  const Part& part(int index) const { return parts_[static_cast<std::size_t>(index)]; }
  /// Width and height of a window.
  int size() const { return size_; }
  /// Bytes of a line's weights, of so many outputs.
  std::ptrdiff_t line_weights(int outputs) const {
    return std::ptrdiff_t{size_} * size_ * static_cast<std::ptrdiff_t>(line_bytes) * outputs;
  }

 private:
  void pack(const Kernels& kernels, const at::Tensor& weight, int group_out, const WeightOrder& order,
            int index) const;

  const int size_;
  std::vector<Part> parts_;
};

}  // namespace resnet::cpu

#endif
