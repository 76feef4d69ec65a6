#include "tests/model/small_network.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include "model/resnet.h"

namespace resnet {

ResNet make_network(const Architecture& architecture, int classes) {
  const at::NoGradGuard no_grad;
  ResNet network = make_resnet(architecture, classes);
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
