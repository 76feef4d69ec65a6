#ifndef RESNET_MODEL_CPU_CONVOLUTION_H
#define RESNET_MODEL_CPU_CONVOLUTION_H

#include "model/cpu/operation.h"
#include "model/cpu/packed_weights.h"
#include "model/lowering.h"

namespace resnet::cpu {

/// What a convolution's 8-bit numbers stand for.
struct ConvolutionQuantizers {
  Quantizer input, output;
  Quantizer residual;  ///< of what the output's place holds before
};

/// What becomes of a convolution's sums: scale, bias, residual and ReLU.
class Finisher {
 public:
  /// @param weight_scale of each channel's weights
  /// @param format of the output
  Finisher(const Step& step, const std::vector<float>& weight_scale, const ConvolutionQuantizers& quantizers,
           Format format);

  /// For pixels from (x, y) of a picture on, of the channels from `channel` on.
  /// @param channel a multiple of 32
  Finish at(const Call& call, int channel, int picture, int y, int x) const;

 private:
  ChannelFactors factors_;
  float least_, residual_scale_;
};

/// A convolution with weights in groups, computed as it is written: 1×1, or 3×3 with padding 1; stride 1
/// or 2.
class Convolution final : public Operation {
 public:
  /// @param step of kind convolution or convolution_add, or a head with weights
  Convolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
              const Packing& packing);

  Activations output_of(const Activations& input) const override;
  void split(Call& call, int threads) const override;
  std::size_t scratch_bytes(const Call& call) const override;
  void run(const Call& call, int unit, std::byte* scratch) const noexcept override;

 private:
  Convolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
              const ScaledWeights& weights, const Packing& packing);

  int chunk_lines(int lines) const;
  void run_row(const Call& call, int index, Range lines, int row, bool prefetch, std::byte* sums) const;

  const Kernels& kernels_;
  const int out_channels_, stride_;
  const PackedWeights weights_;
  Finisher finisher_;
};

/// Whether a step is a convolution of such a size, with or without an addition, whose outputs read all
/// inputs.
bool is_ungrouped(const Step& step, int size);

/// What a convolution of such a stride makes of activations, where its window is padded to keep their size.
Activations convolved(const Activations& input, int channels, int stride);

/// Zeros at both ends of a row, of the lines of 64 channels; above the first and below the last in all
/// columns.
void clear_ends(const Activations& output, int part, int picture, int y);

}  // namespace resnet::cpu

#endif
