#include <array>
#include <cstring>

#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cudnn_convolution_add_relu.h>
#include <ATen/ops/cudnn_convolution_relu.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "model/error.h"
#include "model/executor_backends.h"
#include "model/packed_picture.h"
#include "model/preprocess_cuda.h"
#include "model/recordings.h"
#include "model/run_steps.h"

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

at::Tensor pinned_bytes(std::size_t size) {
  return at::empty({static_cast<std::int64_t>(size)}, at::TensorOptions(at::kByte).pinned_memory(true));
}

/// The network's work for a batch of one size as a CUDA graph: what is in `input` becomes `output`.
struct Recording {
  at::Tensor input;  // [n, 3, size, size], zeros at first
  NetworkOutput output;
  at::cuda::CUDAGraph graph;
};

/// cuDNN's fused convolutions, channels last, on a stream of its own, where each batch ends with the one wait
/// for it. Uploads of pictures have another stream, so that they go on while a batch runs.
class CudaExecutor final : public Executor {
 public:
  CudaExecutor(const ResNet& network, int device, Precision precision, const Preprocessing& preprocessing)
      : steps_(lower(network)),
        device_(at::kCUDA, static_cast<c10::DeviceIndex>(device)),
        precision_(precision),
        format_(format_of(precision)),
        preprocessing_(preprocessing),
        stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index())),
        upload_stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index())),
        recordings_([this](int n) { return record(n); }, [this](const std::string& why) { warn(why); }) {
    const c10::InferenceMode inference;
    const c10::cuda::CUDAStreamGuard on_stream(stream_);
    at::globalContext().setBenchmarkCuDNN(true);  // the fastest kernels for each shape, found when it comes
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
    return at::empty({n, 3, size, size}, at::TensorOptions(format_.type).pinned_memory(true),
                     at::MemoryFormat::ChannelsLast);
  }
  std::unique_ptr<BatchInput> make_batch(int n, int size) override;

  NetworkOutput run(const at::Tensor& input) override {
    check_input(input);
    const at::Tensor normalised = normalised_input(input, preprocessing_);
    return run_filled(input.sizes(),
                      [&](const at::Tensor& place) { place.copy_(normalised, /*non_blocking=*/true); });
  }

  /// What the network says to an input of that shape, which `fill(place)` queues into its place on the GPU.
  template <typename Fill>
  NetworkOutput run_filled(at::IntArrayRef shape, const Fill& fill) {
    const c10::InferenceMode inference;
    const c10::cuda::CUDAStreamGuard on_stream(stream_);
    const std::int64_t n = shape[0];
    try {
      const bool usual = shape[2] == preprocessing_.crop_size && shape[3] == preprocessing_.crop_size;
      Recording* recording = usual ? recordings_.find(static_cast<int>(n)) : nullptr;
      const at::Tensor input = recording ? recording->input.narrow(0, 0, n) : make_place(shape);
      fill(input);
      if (recording) recording->graph.replay();
      const NetworkOutput there = recording ? recording->output : run_network(input);
      NetworkOutput output{download(there.logits, n), download(there.features, n)};
      done_.record(stream_);
      done_.synchronize();
      return output;
    } catch (const std::exception& error) {
      cudaStreamSynchronize(stream_);  // nothing may use memory any more that others will fill
      throw_device_error(description(), error);
    }
  }

  const c10::Device& device() const { return device_; }
  const c10::cuda::CUDAStream& stream() const { return stream_; }
  const c10::cuda::CUDAStream& upload_stream() const { return upload_stream_; }
  const std::uint32_t* values() const { return static_cast<const std::uint32_t*>(values_.const_data_ptr()); }

  std::string description() const override { return device_.str() + " " + format_.name; }
  Precision precision() const override { return precision_; }

 private:
  NetworkOutput run_network(const at::Tensor& input) const {
    return run_steps(steps_, input,
                     [this](std::size_t index, const at::Tensor& x, const at::Tensor& residual) {
                       return convolve(steps_[index], x, residual);
                     });
  }

  static at::Tensor convolve(const Step& step, const at::Tensor& x, const at::Tensor& residual) {
    const std::array<std::int64_t, 2> stride{step.stride, step.stride}, padding{step.padding, step.padding};
    constexpr std::array<std::int64_t, 2> dilation{1, 1};
    if (residual.defined()) {
      return at::cudnn_convolution_add_relu(x, step.weight, residual, 1.0, step.bias, stride, padding,
                                            dilation, step.groups);
    }
    return step.relu
               ? at::cudnn_convolution_relu(x, step.weight, step.bias, stride, padding, dilation, step.groups)
               : at::conv2d(x, step.weight, step.bias, stride, padding, dilation, step.groups);
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

  /// Zeros on the GPU: a slot that nobody fills must hold numbers.
  at::Tensor make_place(at::IntArrayRef shape) const {
    return at::empty(shape, at::TensorOptions(format_.type).device(device_), at::MemoryFormat::ChannelsLast)
        .zero_();
  }

  /// On the executor's stream, from the thread that has tried the kernels for the shapes: cuDNN's choice is a
  /// thread's own. Capturing leaves other threads' calls alone.
  std::unique_ptr<Recording> record(int n) {
    auto recording = std::make_unique<Recording>();
    recording->input = make_place({n, 3, preprocessing_.crop_size, preprocessing_.crop_size});
    run_network(recording->input);  // not recorded: cuDNN tries kernels, which then find their memory
    stream_.synchronize();
    recording->graph.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    try {
      recording->output = run_network(recording->input);
    } catch (...) {
      end_failed_capture(recording->graph);
      throw;
    }
    recording->graph.capture_end();
    return recording;
  }

  static void end_failed_capture(at::cuda::CUDAGraph& graph) noexcept {
    try {
      graph.capture_end();
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the caller says what failed first
    }
    (void)cudaGetLastError();
  }

  void warn(const std::string& reason) const {
    TORCH_WARN(description(),
               ": no CUDA graph, so each batch costs more of the CPU: ", reason.substr(0, reason.find('\n')));
  }

  /// Queues the first n rows' way to pinned memory.
  static at::Tensor download(const at::Tensor& rows, std::int64_t n) {
    if (!rows.defined()) return {};
    at::Tensor here = at::empty({n, rows.size(1)}, at::TensorOptions(at::kFloat).pinned_memory(true));
    here.copy_(rows.narrow(0, 0, n), /*non_blocking=*/true);
    return here;
  }

  std::vector<Step> steps_;
  c10::Device device_;
  Precision precision_;
  Format format_;
  Preprocessing preprocessing_;
  at::Tensor values_;  // the ValueTable, on the GPU
  c10::cuda::CUDAStream stream_, upload_stream_;
  c10::cuda::CUDAEvent done_{cudaEventDisableTiming | cudaEventBlockingSync};  // the wait sleeps
  at::cuda::MempoolId_t pool_ =
      at::cuda::graph_pool_handle();  // of all recordings: they run one after another
  Recordings<Recording> recordings_;
};

/// Pictures that are packed into pinned memory and uploaded when they come, and become network input on the
/// GPU.
class CudaBatch final : public BatchInput {
 public:
  CudaBatch(CudaExecutor& executor, std::size_t capacity, int size)
      : executor_(executor),
        size_(size),
        slots_(capacity),
        jobs_(pinned_bytes(capacity * sizeof(ResampleJob))) {
    // Not on the stream of the runs, which another thread may be recording.
    const c10::cuda::CUDAStreamGuard on_stream(executor_.upload_stream());
    jobs_there_ = at::empty_like(jobs_, jobs_.options().device(executor_.device()).pinned_memory(false));
  }

  std::size_t capacity() const override { return slots_.size(); }

  void put(std::size_t index, const Image& image, Preprocessor& preprocessor,
           PicturePart /*whole*/) override {
    const c10::InferenceMode inference;
    const c10::cuda::CUDAStreamGuard on_stream(executor_.upload_stream());
    Slot& slot = slots_[index];
    slot.job = {};
    const ResamplePlan& plan = preprocessor.plan(image);
    const PackedSize size = packed_size(image, plan);
    slot.fit(size, executor_.device());
    const ResampleJob job = pack_picture(image, plan, slot.here.mutable_data_ptr<std::uint8_t>(),
                                         slot.there.mutable_data_ptr<std::uint8_t>());
    const auto bytes = static_cast<std::int64_t>(size.bytes);
    slot.there.narrow(0, 0, bytes).copy_(slot.here.narrow(0, 0, bytes), /*non_blocking=*/true);
    slot.job = job;
  }

  NetworkOutput run(std::size_t n, const MakePicture& make_picture) override {
    for (std::size_t i = 0; make_picture && i < n; ++i) make_picture(i, {});
    return executor_.run_filled({static_cast<std::int64_t>(n), 3, size_, size_},
                                [&](const at::Tensor& place) { queue_preprocessing(n, place); });
  }

 private:
  struct Slot {
    at::Tensor here, there;  // pinned; on the GPU, with room for scratch
    ResampleJob job;         // of the copy there; none: no picture

    void fit(const PackedSize& size, const c10::Device& device) {
      const auto total = static_cast<std::int64_t>(size.bytes + size.scratch);
      if (here.defined() && here.numel() >= static_cast<std::int64_t>(size.bytes) && there.numel() >= total)
        return;
      here = there = at::Tensor();  // before the larger ones: they may take their place
      here = pinned_bytes(size.bytes);
      there = at::empty({total}, at::TensorOptions(at::kByte).device(device));
    }
  };

  void queue_preprocessing(std::size_t n, const at::Tensor& place) {
    uploaded_.record(executor_.upload_stream());
    uploaded_.block(executor_.stream());
    auto* jobs = static_cast<std::uint8_t*>(jobs_.mutable_data_ptr());
    for (std::size_t i = 0; i < n; ++i)
      std::memcpy(jobs + i * sizeof(ResampleJob), &slots_[i].job, sizeof(ResampleJob));
    jobs_there_.copy_(jobs_, /*non_blocking=*/true);
    preprocess_on_gpu(static_cast<const ResampleJob*>(jobs_there_.const_data_ptr()), n,
                      static_cast<int>(size_), executor_.values(), place.mutable_data_ptr(),
                      place.element_size(), executor_.stream().stream());
  }

  CudaExecutor& executor_;
  const std::int64_t size_;
  std::vector<Slot> slots_;
  at::Tensor jobs_, jobs_there_;  // the slots' jobs for a run, pinned and on the GPU
  c10::cuda::CUDAEvent uploaded_;
};

std::unique_ptr<BatchInput> CudaExecutor::make_batch(int n, int size) {
  const c10::InferenceMode inference;
  return std::make_unique<CudaBatch>(*this, static_cast<std::size_t>(n), size);
}

}  // namespace

int cuda_device_count() { return c10::cuda::device_count(); }

std::unique_ptr<Executor> make_cuda_executor(const ResNet& network, int device, Precision precision,
                                             const Preprocessing& preprocessing) {
  return std::make_unique<CudaExecutor>(network, device, precision, preprocessing);
}

}  // namespace resnet
