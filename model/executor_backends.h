#ifndef RESNET_MODEL_EXECUTOR_BACKENDS_H
#define RESNET_MODEL_EXECUTOR_BACKENDS_H

#include <memory>
#include <string>

#include "model/executor.h"

namespace resnet {

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
