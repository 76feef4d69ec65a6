#ifndef RESNET_MODEL_CPU_STRASSEN_H
#define RESNET_MODEL_CPU_STRASSEN_H

#include "model/cpu/convolution.h"

namespace resnet::cpu {

/// A 1×1 convolution without groups by Strassen's algorithm ("Gaussian Elimination is not Optimal", 1969),
/// one level of it, in Winograd's form with 15 additions: of two tiles of a row's pixels, of both halves of
/// the input channels and of both halves of the output channels seven products are taken instead of eight. A
/// pixel's result depends on its row alone.
class Strassen final : public Operation {
 public:
  static bool fits(const Kernels& kernels, const Step& step);

  /// @param step one that fits, in fp32
  Strassen(const Kernels& kernels, const Step& step, const Packing& packing);

  Activations output_of(const Activations& input) const override;
  void split(Call& call, int threads) const override;
  std::size_t scratch_bytes(const Call& call) const override;
  void run(const Call& call, int unit, std::byte* scratch) const noexcept override;

 private:
  /// Two tiles behind each other in a row. The second may have a pixel less; it is computed with the first's
  /// last one before it, since what both read adds up in each other's results.
  struct Pair {
    int picture = 0, y = 0;
    Range x[2];
    const std::byte* pixels[2] = {};  ///< their first line
  };
  /// Of a unit: its pairs, and for each the sums of its inputs and its products.
  struct Scratch {
    int pairs = 0;
    std::ptrdiff_t input_stride = 0, product_stride = 0;  ///< bytes from a pair's to the next one's
    std::byte *inputs = nullptr, *products = nullptr;
    Pair* pair = nullptr;
  };

  int pairs_in_row(const Activations& output) const;
  int half_lines(const Activations& input) const;
  Scratch strides(const Call& call, int rows) const;
  Scratch lay_out(const Call& call, int rows, std::byte* scratch) const;
  void add_inputs(const Call& call, Range rows, const Scratch& scratch) const;
  void multiply(const Call& call, int part, int product, const Scratch& scratch) const;
  void finish(const Call& call, int part, const Scratch& scratch) const;

  const Kernels& kernels_;
  const int out_channels_, stride_;
  const PackedWeights weights_;  ///< of each 64 outputs of the first half seven parts
  Finisher finisher_;
};

}  // namespace resnet::cpu

#endif
