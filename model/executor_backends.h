#ifndef RESNET_MODEL_EXECUTOR_BACKENDS_H
#define RESNET_MODEL_EXECUTOR_BACKENDS_H

#include <memory>
#include <string>

#include "model/executor.h"

namespace resnet {

std::unique_ptr<Executor> make_reference_executor(const ResNet& network, const ExecutorOptions& options);

#ifdef RESNET_CUDA
int cuda_device_count();
/// @param precision fp32, fp16 or bf16
std::unique_ptr<Executor> make_cuda_executor(const ResNet& network, int device, Precision precision,
                                             const Preprocessing& preprocessing);
#endif

/// CPU threads that are meant by an option: 0 is what the process started with, all cores.
int cpu_threads(int option);
/// Sets the calling thread's CPU threads for a run, which is a setting of the calling thread (OpenMP).
void use_threads(int option);

/// @throws Error mismatch unless `input` is [n, 3, height, width] with n ≥ 1
void check_input(const at::Tensor& input);

/// What a network is given: bytes, which are pixels 0…255, normalised in fp32; anything else as it is.
at::Tensor normalised_input(const at::Tensor& input, const Preprocessing& preprocessing);

/// What a failed kernel says, as Error device.
[[noreturn]] void throw_device_error(const std::string& device, const std::exception& error);

}  // namespace resnet

#endif
