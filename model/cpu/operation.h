#ifndef RESNET_MODEL_CPU_OPERATION_H
#define RESNET_MODEL_CPU_OPERATION_H

#include <cstdint>
#include <functional>
#include <vector>

#include "model/cpu/activations.h"

namespace resnet::cpu {

/// What 8-bit activations stand for, real = scale · (q − zero); 1 and 0 for the other formats.
struct Quantizer {
  float scale = 1.0F;
  float zero = 0.0F;
};

/// One step of the network on certain activations, cut into units for threads.
struct Call {
  Activations input, output;
  const std::byte* residual = nullptr;  ///< what is added, of the output's shape; may be the output's place
  int strips = 1;                       ///< parts of the pixels
  int parts = 1;                        ///< parts of the output channels
  int units() const { return strips * parts; }
};

/// A step of the network with its weights.
class Operation {
 public:
  virtual ~Operation() = default;

  /// The shape of what it makes of such activations.
  virtual Activations output_of(const Activations& input) const = 0;
  /// Decides on strips and parts.
  virtual void split(Call& call, int threads) const = 0;
  /// Bytes that each thread needs while it does a unit.
  virtual std::size_t scratch_bytes(const Call& call) const = 0;
  /// Units write different places, so they may be done at the same time.
  virtual void run(const Call& call, int unit, std::byte* scratch) const noexcept = 0;
};

/// Calls its argument with 0 … count − 1, in several threads at the same time.
using Parallel = std::function<void(int count, const std::function<void(int)>& work)>;

/// begin…end of part `index` of `count` nearly equal parts of `all`.
struct Range {
  int begin = 0, end = 0;
  int size() const { return end - begin; }
};
constexpr Range part_of(int all, int index, int count) {
  return {static_cast<int>(static_cast<std::int64_t>(all) * index / count),
          static_cast<int>(static_cast<std::int64_t>(all) * (index + 1) / count)};
}

constexpr int divide_up(int a, int b) { return (a + b - 1) / b; }

/// Tiles to cut so many pixels into.
inline int tiles_for(const Kernels& kernels, int pixels) {
  return pixels <= max_tile ? 1 : divide_up(pixels, kernels.tile);
}

}  // namespace resnet::cpu

#endif
