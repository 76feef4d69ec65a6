#include "model/executor.h"

#include <charconv>
#include <optional>

#include "model/cpu/executor_cpu.h"
#include "model/error.h"
#include "model/executor_backends.h"

namespace resnet {
namespace {

[[noreturn]] void unsupported(const std::string& message) { throw Error(ErrorCode::unsupported, message); }

/// The fastest that the CPU computes in hardware.
Precision best_on_cpu(const ExecutorOptions& options) {
  std::string reason;
  if (options.quantization != nullptr && cpu_supports(Precision::int8, reason)) return Precision::int8;
  return cpu_has_fast_bf16() ? Precision::bf16 : Precision::fp32;
}

std::unique_ptr<Executor> make_on_cpu(const ResNet& network, const ExecutorOptions& options) {
  if (options.precision == Precision::fp16) unsupported("fp16 needs a CUDA GPU; on the CPU use bf16 or fp32");
  const Precision precision =
      options.precision == Precision::automatic ? best_on_cpu(options) : options.precision;
  std::string reason;
  if (cpu_supports(precision, reason)) return make_cpu_executor(network, precision, options);
  // fp32 is to be had everywhere, if not as fast.
  if (precision == Precision::fp32) return make_reference_executor(network, options);
  unsupported(std::string(precision == Precision::bf16 ? "bf16" : "int8") +
              " is not to be had here: " + reason + "; use fp32");
}

/// The N of "cuda:N", 0 for "cuda"; nothing for any other device.
std::optional<int> cuda_index(const std::string& device) {
  if (device == "cuda") return 0;
  if (!device.starts_with("cuda:")) return {};
  int index = 0;
  const char* end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data() + 5, end, index);
  if (error != std::errc() || stop != end || index < 0) return {};
  return index;
}

std::unique_ptr<Executor> make_on_gpu([[maybe_unused]] const ResNet& network,
                                      [[maybe_unused]] const ExecutorOptions& options,
                                      [[maybe_unused]] int index) {
  if (options.precision == Precision::int8) unsupported("int8 runs on the CPU alone; on a CUDA GPU use fp16");
#ifdef RESNET_CUDA
  const int count = cuda_device_count();
  if (count == 0)
    unsupported("device " + options.device + ": there is no CUDA GPU here, or no driver for it");
  if (index >= count) {
    unsupported("device " + options.device +
                ": the last of the CUDA GPUs here is cuda:" + std::to_string(count - 1));
  }
  const Precision precision = options.precision == Precision::automatic ? Precision::fp16 : options.precision;
  return make_cuda_executor(network, index, precision, options.preprocessing);
#else
  unsupported("device " + options.device + ": this build has no CUDA back end (Meson option cuda)");
#endif
}

bool has_gpu() {
#ifdef RESNET_CUDA
  return cuda_device_count() > 0;
#else
  return false;
#endif
}

}  // namespace

ExecutorOptions with_model(ExecutorOptions options, const ModelInfo& info) {
  options.preprocessing = info.preprocessing;
  options.quantization = info.quantization ? &*info.quantization : nullptr;
  return options;
}

std::unique_ptr<Executor> make_executor(const ResNet& network, const ExecutorOptions& options) {
  if (options.precision == Precision::int8 && options.quantization == nullptr)
    unsupported("int8 needs a quantized model file, which `resnet quantize` makes");
  if (options.device == "cpu") return make_on_cpu(network, options);
  if (options.device == "auto") {
    return has_gpu() && options.precision != Precision::int8 ? make_on_gpu(network, options, 0)
                                                             : make_on_cpu(network, options);
  }
  const std::optional<int> index = cuda_index(options.device);
  if (!index)
    unsupported("there is no device '" + options.device + "'; there are auto, cpu, cuda and cuda:N");
  return make_on_gpu(network, options, *index);
}

}  // namespace resnet
