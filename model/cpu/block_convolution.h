#ifndef RESNET_MODEL_CPU_BLOCK_CONVOLUTION_H
#define RESNET_MODEL_CPU_BLOCK_CONVOLUTION_H

#include "model/cpu/convolution.h"

namespace resnet::cpu {

/// A Convolution by kernels that have blocks. A block is 16 pixels that lie behind each other; with stride 1
/// rows of a picture do, with the zeros between them, so that narrow ones fill blocks too.
class BlockConvolution final : public Operation {
 public:
  /// @param kernels with blocks
  /// @param step of kind convolution or convolution_add
  BlockConvolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
                   const Packing& packing);

  /// @param input with a margin
  Activations output_of(const Activations& input) const override;
  void split(Call& call, int threads) const override;
  std::size_t scratch_bytes(const Call& call) const override;
  void run(const Call& call, int unit, std::byte* scratch) const noexcept override;

 private:
  BlockConvolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
                   const ScaledWeights& weights, const Packing& packing);

  /// The unit's weights and what is summed by them.
  struct Panel {
    Blocks blocks;
    int first_line = 0;  ///< of the input
    int channel = 0;     ///< the first of the output
  };
  struct Pair;

  double cycles(const Call& call, int strips, int threads) const;
  int blocks_of(const Activations& output, Range rows) const;
  void run_panel(const Call& call, Range rows, Panel& panel, std::byte* sums) const;
  void convolve(const Call& call, const Pair& pair, const Panel& panel, std::byte* sums) const;

  const Kernels& kernels_;
  const int out_channels_, stride_;
  const PackedWeights weights_;
  int total_lines_ = 0;  // that the parts read
  Finisher finisher_;
};

}  // namespace resnet::cpu

#endif
