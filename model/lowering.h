#ifndef RESNET_MODEL_LOWERING_H
#define RESNET_MODEL_LOWERING_H

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/resnet_fwd.h"

namespace resnet {

/// One fused operation on two registers: `block` holds the input of the block at hand, which becomes its
/// output; `inner` what its convolutions pass to each other.
struct Step {
  enum class Kind : std::uint8_t {
    convolution,      ///< output = relu?(conv(input) + bias)
    convolution_add,  ///< block = relu(conv(input) + bias + block)
    max_pool,         ///< 3×3, stride 2, padding 1
    head              ///< mean over height and width, then linear where weight is defined
  };
  enum Register : std::uint8_t { block, inner };

  Kind kind = Kind::convolution;
  std::string name;  ///< of its module: "layer1.0.conv1", "maxpool", "fc"
  Register input = block;
  Register output = block;
  at::Tensor
      weight;  ///< convolution [out, in/groups, k, k] with the batch norm folded in; head [classes, features]
  at::Tensor bias;  ///< [out] or [classes]
  int stride = 1;
  int padding = 0;
  int groups = 1;
  bool relu = false;
};

/// Lowers a network in eval mode step by step, in the order in which they run: take() may keep a step, or
/// what it makes of it. Weights are fp32, contiguous, on the CPU and share no memory with the module's, but
/// for the head's.
/// @param release changes and frees the module's weights when they are lowered; it cannot be used afterwards
/// @param await called with the name of a weight before that, if anything
void lower(const ResNet& network, bool release, const std::function<void(const std::string& name)>& await,
           const std::function<void(const Step&)>& take);

/// All of the steps.
std::vector<Step> lower(const ResNet& network);

}  // namespace resnet

#endif
