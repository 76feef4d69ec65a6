#ifndef RESNET_MODEL_CPU_EXECUTOR_CPU_H
#define RESNET_MODEL_CPU_EXECUTOR_CPU_H

#include <memory>
#include <string>

#include "model/executor.h"

namespace resnet {

/// Whether there are kernels of that precision for this CPU; if not, `reason` says what it lacks.
bool cpu_supports(Precision precision, std::string& reason);

/// Whether this CPU computes bf16 in hardware.
bool cpu_has_bf16();

/// Whether this CPU runs networks faster in bf16 than in fp32.
bool cpu_has_fast_bf16();

/// @param precision one that cpu_supports()
/// @param options for int8 with a quantization
std::unique_ptr<Executor> make_cpu_executor(const ResNet& network, Precision precision,
                                            const ExecutorOptions& options);

}  // namespace resnet

#endif
