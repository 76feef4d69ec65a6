#ifndef RESNET_TESTS_MODEL_SMALL_NETWORK_H
#define RESNET_TESTS_MODEL_SMALL_NETWORK_H

#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <torch/nn/module.h>

#include "model/resnet.h"

namespace resnet {

inline Architecture small_basic() { return {BlockType::basic, {1, 1, 2, 1}, 16, 1, 64}; }
inline Architecture small_bottleneck() { return {BlockType::bottleneck, {1, 2, 1, 1}, 16, 1, 64}; }
inline Architecture small_grouped() { return {BlockType::bottleneck, {1, 1, 1, 1}, 16, 4, 32}; }

/// A network in eval mode whose batch norms have statistics and factors unlike the initial 0 and 1.
inline ResNet make_network(const Architecture& architecture, int classes) {
  const at::NoGradGuard no_grad;
  ResNet network(architecture, classes);
  for (auto& [name, tensor] : network->state_dict()) {
    if (name.ends_with("running_mean")) tensor.copy_(at::randn(tensor.sizes()) * 0.1);
    if (name.ends_with("running_var")) tensor.copy_(at::rand(tensor.sizes()) + 0.5);
    if (name.find("bn") != std::string::npos && name.ends_with(".bias"))
      tensor.copy_(at::randn(tensor.sizes()) * 0.1);
    if (name.find("bn") != std::string::npos && name.ends_with(".weight"))
      tensor.copy_(at::rand(tensor.sizes()) + 0.5);
  }
  network->eval();
  return network;
}

}  // namespace resnet

#endif
