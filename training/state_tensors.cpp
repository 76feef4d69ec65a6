#include "training/state_tensors.h"

#include <map>

#include <ATen/core/grad_mode.h>

#include "model/error.h"

namespace resnet {

void append(NamedTensors& to, const std::string& prefix, const NamedTensors& from) {
  for (const auto& [name, tensor] : from) to.emplace_back(prefix + name, tensor.to(at::kCPU).contiguous());
}

NamedTensors with_prefix(const NamedTensors& from, const std::string& prefix) {
  NamedTensors result;
  for (const auto& [name, tensor] : from) {
    if (name.starts_with(prefix)) result.emplace_back(name.substr(prefix.size()), tensor);
  }
  return result;
}

void restore(const NamedTensors& to, const NamedTensors& from, const std::string& where) {
  const at::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> by_name(from.begin(), from.end());
  for (const auto& [name, tensor] : to) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || found->second.sizes() != tensor.sizes()) {
      throw Error(ErrorCode::mismatch,
                  where + " has no fitting '" + name + "'; use the recipe it was written with, or --fresh");
    }
    tensor.copy_(found->second);
  }
}

}  // namespace resnet
