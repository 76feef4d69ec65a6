#ifndef RESNET_MODEL_CPU_STEM_H
#define RESNET_MODEL_CPU_STEM_H

#include "model/cpu/convolution.h"
#include "model/preprocessing.h"

namespace resnet::cpu {

/// The batch that the stem reads: [picture][row][column][red, green, blue].
struct Pixels {
  const std::uint8_t* bytes = nullptr;  ///< 0…255; null: `floats`
  const float* floats = nullptr;        ///< normalised
  int pictures = 0, height = 0, width = 0;

  /// `count` pictures from `first` on.
  Pixels part(int first, int count) const {
    const std::ptrdiff_t skipped = std::ptrdiff_t{3} * first * height * width;
    return {bytes == nullptr ? nullptr : bytes + skipped, floats == nullptr ? nullptr : floats + skipped,
            count, height, width};
  }
};

/// From pixels to the activations behind the max pooling: normalisation, 7×7 convolution with stride 2 and
/// padding 3, ReLU and 3×3 pooling with stride 2 and padding 1, row by row. Mean and std are folded into
/// weights and biases. At the borders, where normalised pixels are 0, the biases leave out the mean of what
/// lies outside.
class Stem {
 public:
  /// @param step the convolution, [out, 3, 7, 7]
  Stem(const Kernels& kernels, const Step& step, const Preprocessing& preprocessing, const Quantizer& output,
       Memory& memory);

  Activations output_of(const Pixels& pixels) const;
  /// Units of such a batch.
  int units(const Pixels& pixels, int threads) const;
  /// Bytes that each thread needs while it does a unit of so many.
  std::size_t scratch_bytes(const Pixels& pixels, int units) const;
  /// Units write different places, so they may be done at the same time.
  void run(const Pixels& pixels, const Activations& output, int unit, int units,
           std::byte* scratch) const noexcept;

 private:
  /// The taps of a window, in one dimension, that lie inside the picture.
  struct Window {
    int begin = 0, end = 0;
    int size() const { return end - begin; }
  };
  /// Where a unit keeps what it works on.
  struct Scratch {
    std::byte* widened = nullptr;  // rows of the picture from `first` on
    std::ptrdiff_t widened_stride = 0;
    int first = 0;
    std::byte* rows = nullptr;  // sums of the convolution's last three
    std::ptrdiff_t row_bytes = 0;
    float* biases = nullptr;
  };

  void pack(const at::Tensor& weight, Memory& memory);
  Window window(int position, int size) const;
  Range source_rows(int height, Range pooled) const;
  std::ptrdiff_t widened_bytes(int width) const;
  std::ptrdiff_t widened_stride(int width) const;
  int columns(int width) const;
  std::ptrdiff_t row_bytes(int width) const;
  Scratch lay_out(const Pixels& pixels, Range pooled, std::byte* scratch) const;
  void widen(const Pixels& pixels, int picture, int y, std::byte* to) const;
  void widen_bytes(const std::uint8_t* from, int count, std::byte* first) const;
  std::byte* row_at(const Scratch& scratch, int y) const { return scratch.rows + y % 3 * scratch.row_bytes; }
  void sum_tiles(const Pixels& pixels, int part, int y, const Scratch& scratch) const;
  void sum_blocks(const Pixels& pixels, int part, int y, const Scratch& scratch) const;
  int border(int position, int size) const;
  void find_biases(const Pixels& pixels, int part, float* biases) const;
  void pool(const Pixels& pixels, const Activations& output, int picture, int channel, int y,
            const Scratch& scratch) const;
  void bias(int part, Window down, Window across, float* to) const;

  const Kernels& kernels_;
  const int out_channels_;
  std::array<float, 3> mean_, std_;  // of pixels 0…255
  std::ptrdiff_t number_bytes_;      // of a pixel's channel, widened
  WeightOrder order_;
  int run_;  // 4-byte groups of a row of taps
  std::byte* weights_ = nullptr;
  std::ptrdiff_t part_weights_ = 0;  // bytes of 64 outputs' weights
  ChannelFactors factors_;
  std::vector<float> mean_sums_;  // [8][8][out]: what the taps above and left of a corner make of the mean
};

}  // namespace resnet::cpu

#endif
