#ifndef RESNET_MODEL_RUN_STEPS_H
#define RESNET_MODEL_RUN_STEPS_H

#include <functional>
#include <vector>

#include "model/executor.h"
#include "model/lowering.h"

namespace resnet {

/// relu?(conv(x) + bias) of the step of that index; for convolution_add relu(conv(x) + bias + residual),
/// which may overwrite the residual. It is undefined for the others.
using Convolve =
    std::function<at::Tensor(std::size_t index, const at::Tensor& x, const at::Tensor& residual)>;

/// Runs all steps by LibTorch on [n, 3, H, W]; who calls supplies the convolutions. The output is still on
/// x's device.
NetworkOutput run_steps(const std::vector<Step>& steps, at::Tensor x, const Convolve& convolve);

}  // namespace resnet

#endif
