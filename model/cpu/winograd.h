#ifndef RESNET_MODEL_CPU_WINOGRAD_H
#define RESNET_MODEL_CPU_WINOGRAD_H

#include <array>

#include "model/cpu/convolution.h"

namespace resnet::cpu {

/// A 3×3 convolution with padding 1 and no groups by one of Winograd's transforms, with fewer
/// products (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
class Winograd final : public Operation {
 public:
  static bool fits(const WinogradTransform& transform, const Step& step);
  /// Bytes of its weights.
  static std::size_t weight_bytes(const Kernels& kernels, const WinogradTransform& transform,
                                  const Step& step);

  /// @param transform of the kernels; winograd4 where they are of integers
  Winograd(const Kernels& kernels, const WinogradTransform& transform, const Step& step,
           const ConvolutionQuantizers& quantizers, const Packing& packing);

  Activations output_of(const Activations& input) const override;
  void split(Call& call, int threads) const override;
  std::size_t scratch_bytes(const Call& call) const override;
  void run(const Call& call, int unit, std::byte* scratch) const noexcept override;

 private:
  /// Where the components of some tiles lie in the scratch memory, and their sums behind them.
  struct Scratch {
    int tiles = 0;
    std::ptrdiff_t line_stride = 0, component_stride = 0, sum_stride = 0;
    std::byte *components = nullptr, *sums = nullptr, *pixels = nullptr;
  };

  void pack(const at::Tensor& weight, float scale, const Parallel& parallel);
  void pack_part(const at::Tensor& weight, float scale, int part);
  void find_steps(const float* weight, int outputs, std::array<float, output_group>* step) const;
  void write(int part, int channel, const std::array<float, output_group>* components);
  int component_lines(const Activations& input) const;
  Scratch strides(const Call& call, int tiles) const;
  Scratch lay_out(const Call& call, int tiles, std::byte* scratch) const;
  void transform(const Call& call, Range tiles, const Scratch& scratch) const;
  void sum(int part, const Scratch& scratch) const;
  void finish(const Call& call, Range tiles, int part, const Scratch& scratch) const;

  const Kernels& kernels_;
  const WinogradTransform& transform_;
  const int in_channels_, out_channels_;
  std::byte* weights_ = nullptr;
  std::ptrdiff_t component_weights_ = 0;  // bytes of one component's weights of 64 outputs
  std::vector<float> component_scale_;    // [part][components][64]; only for integers
  Finisher finisher_;                     // of the results, whose scale is 1
};

}  // namespace resnet::cpu

#endif
