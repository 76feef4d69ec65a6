#ifndef RESNET_TESTS_TRAINING_RELATIVE_ERROR_H
#define RESNET_TESTS_TRAINING_RELATIVE_ERROR_H

#include <torch/torch.h>

namespace resnet {

/// How far a tensor is from another, relative to that, all numbers together.
inline double error_of(const at::Tensor& value, const at::Tensor& expected) {
  return ((value.to(at::kDouble) - expected.to(at::kDouble)).norm() / expected.to(at::kDouble).norm())
      .item<double>();
}

}  // namespace resnet

#endif
