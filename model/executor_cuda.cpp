#include <array>
#include <cstring>

#include <ATen/ops/conv2d.h>
#include <ATen/ops/cudnn_convolution_add_relu.h>
#include <ATen/ops/cudnn_convolution_relu.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "model/error.h"
#include "model/lowered_executor.h"
#include "model/normalize_cuda.h"
#include "model/resample.h"

namespace resnet {
namespace {

struct Format {
  at::ScalarType type;
  TensorType input;
  const char* name;
};

Format format_of(Precision precision) {
  switch (precision) {
    case Precision::fp16:
      return {at::kHalf, TensorType::fp16, "fp16"};
    case Precision::bf16:
      return {at::kBFloat16, TensorType::bf16, "bf16"};
    default:
      return {at::kFloat, TensorType::fp32, "fp32"};
  }
}

/// cuDNN's fused convolutions, channels last, on a stream of its own. Pixels travel as bytes and become the
/// network's input on the GPU.
class CudaExecutor : public LoweredExecutor {
 public:
  CudaExecutor(const ResNet& network, int device, Precision precision, const Preprocessing& preprocessing)
      : LoweredExecutor(lower(network)),
        device_(at::kCUDA, static_cast<c10::DeviceIndex>(device)),
        precision_(precision),
        format_(format_of(precision)),
        stream_(
            c10::cuda::getStreamFromPool(/*isHighPriority=*/false, static_cast<c10::DeviceIndex>(device))) {
    const c10::InferenceMode inference;
    const c10::cuda::CUDAStreamGuard on_stream(stream_);
    try {
      for (Step& step : steps_) move_weights(step);
      const ValueTable values = make_value_table(preprocessing, format_.input);
      values_ = at::empty({value_table_size}, at::kInt);
      std::memcpy(values_.data_ptr(), values.data(), sizeof values);
      values_ = values_.to(device_);
      stream_.synchronize();
    } catch (const std::exception& error) {
      throw_device_error(description(), error);
    }
  }

  at::Tensor make_input(int n, int size) const override {
    return at::empty({n, 3, size, size}, at::TensorOptions(at::kByte).pinned_memory(true),
                     at::MemoryFormat::ChannelsLast);
  }

  NetworkOutput run(const at::Tensor& input) override {
    check_input(input);
    const c10::InferenceMode inference;
    const c10::cuda::CUDAStreamGuard on_stream(stream_);
    try {
      const at::Tensor uploaded =
          input.to(device_, input.scalar_type(), /*non_blocking=*/true, /*copy=*/false)
              .contiguous(at::MemoryFormat::ChannelsLast);
      const bool pixels = uploaded.scalar_type() == at::kByte;
      NetworkOutput output = run_steps(pixels ? normalized(uploaded) : uploaded.to(format_.type));
      // These copies wait for the stream, so the input is free again too.
      output.features = output.features.cpu();
      if (output.logits.defined()) output.logits = output.logits.cpu();
      return output;
    } catch (const std::exception& error) {
      throw_device_error(description(), error);
    }
  }

  std::string description() const override { return device_.str() + " " + format_.name; }
  Precision precision() const override { return precision_; }

 protected:
  at::Tensor convolution(std::size_t index, const at::Tensor& x) override {
    const Step& step = steps_[index];
    const std::array<std::int64_t, 2> stride{step.stride, step.stride}, padding{step.padding, step.padding};
    constexpr std::array<std::int64_t, 2> dilation{1, 1};
    return step.relu
               ? at::cudnn_convolution_relu(x, step.weight, step.bias, stride, padding, dilation, step.groups)
               : at::conv2d(x, step.weight, step.bias, stride, padding, dilation, step.groups);
  }

  at::Tensor convolution_add(std::size_t index, const at::Tensor& x, const at::Tensor& residual) override {
    const Step& step = steps_[index];
    const std::array<std::int64_t, 2> stride{step.stride, step.stride}, padding{step.padding, step.padding};
    constexpr std::array<std::int64_t, 2> dilation{1, 1};
    return at::cudnn_convolution_add_relu(x, step.weight, residual, 1.0, step.bias, stride, padding, dilation,
                                          step.groups);
  }

 private:
  /// Channels-last pixels [n, 3, height, width] as the network's input, on the current stream.
  at::Tensor normalized(const at::Tensor& pixels) const {
    at::Tensor out =
        at::empty(pixels.sizes(), pixels.options().dtype(format_.type), at::MemoryFormat::ChannelsLast);
    normalize_on_gpu(pixels.const_data_ptr<std::uint8_t>(),
                     static_cast<const std::uint32_t*>(values_.const_data_ptr()),
                     static_cast<std::size_t>(pixels.numel()), out.mutable_data_ptr(), out.element_size(),
                     stream_.stream());
    return out;
  }

  /// The head stays in fp32: it is small, and what it says is compared with a threshold.
  void move_weights(Step& step) const {
    if (!step.weight.defined()) return;
    const bool head = step.kind == Step::Kind::head;
    const at::ScalarType type = head ? at::kFloat : format_.type;
    step.weight = step.weight.to(device_, type);
    if (!head) step.weight = step.weight.contiguous(at::MemoryFormat::ChannelsLast);
    step.bias = step.bias.to(device_, type);
  }

  c10::Device device_;
  Precision precision_;
  Format format_;
  at::Tensor values_;  // the ValueTable, on the GPU
  c10::cuda::CUDAStream stream_;
};

}  // namespace

int cuda_device_count() { return c10::cuda::device_count(); }

std::unique_ptr<Executor> make_cuda_executor(const ResNet& network, int device, Precision precision,
                                             const Preprocessing& preprocessing) {
  return std::make_unique<CudaExecutor>(network, device, precision, preprocessing);
}

}  // namespace resnet
