#ifndef RESNET_TRAINING_TILE_CONVOLUTION_H
#define RESNET_TRAINING_TILE_CONVOLUTION_H

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/resnet_fwd.h"

namespace resnet {

/// A convolution's weights in bf16 as AMX's tiles read them.
class TileWeights {
 public:
  /// @param weight [out, in, k, k] fp32 on the CPU, channels last
  explicit TileWeights(const at::Tensor& weight);

  /// Takes what the weight is now.
  void update() const;

  /// Flat: for each 32 outputs [k][k][in/32] steps of columns.
  const at::Tensor& forward() const { return forward_; }
  /// For each 32 inputs [k][k][out/32].
  const at::Tensor& backward() const { return backward_; }

 private:
  at::Tensor weight_, forward_, backward_;
};

/// While they train, the networks' convolutions but the stem's are computed by AMX's tiles in bf16, forward
/// and backward, of activations that are bf16. Their outputs lie in memory as [H, W, N, C]: a tile's rows are
/// pictures.
/// @param replicas of a network, on the CPU, with the same weights in memory
/// @return the weights, to be updated when they have changed; empty: this CPU has no tiles, or they do not
/// fit, as where channels are no multiples of 32
std::vector<std::shared_ptr<const TileWeights>> use_tiles(const std::vector<ResNet>& replicas);

}  // namespace resnet

#endif
