#ifndef RESNET_MODEL_LOWERED_EXECUTOR_H
#define RESNET_MODEL_LOWERED_EXECUTOR_H

#include <string>
#include <vector>

#include "model/executor.h"
#include "model/lowering.h"

namespace resnet {

/// Walks the steps of a lowered network; a back end supplies the convolutions.
class LoweredExecutor : public Executor {
 protected:
  explicit LoweredExecutor(std::vector<Step> steps) : steps_(std::move(steps)) {}

  /// relu?(conv(x) + bias) of steps_[index]
  virtual at::Tensor convolution(std::size_t index, const at::Tensor& x) = 0;
  /// relu(conv(x) + bias + residual) of steps_[index]; may overwrite the residual.
  virtual at::Tensor convolution_add(std::size_t index, const at::Tensor& x, const at::Tensor& residual) = 0;

  /// Runs all steps on [n, 3, H, W] in the back end's type; the output is still on its device.
  NetworkOutput run_steps(at::Tensor x);

  std::vector<Step> steps_;
};

/// Reference in fp32 with that many CPU threads (0: all cores).
std::unique_ptr<Executor> make_reference_executor(const ResNet& network, int threads);

#ifdef RESNET_CUDA
int cuda_device_count();
/// @param precision fp32, fp16 or bf16
std::unique_ptr<Executor> make_cuda_executor(const ResNet& network, int device, Precision precision,
                                             const Preprocessing& preprocessing);
#endif

/// Sets the calling thread's CPU threads for a run, which is a setting of the calling thread (OpenMP).
/// @param threads 0: what the process started with, all cores
void use_threads(int threads);

/// @throws Error mismatch unless `input` is [n, 3, height, width] with n ≥ 1
void check_input(const at::Tensor& input);

/// What a failed kernel says, as Error device.
[[noreturn]] void throw_device_error(const std::string& device, const std::exception& error);

}  // namespace resnet

#endif
