#include "model/engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "model/executor.h"
#include "model/model_file.h"
#include "model/preprocess.h"

namespace resnet {

namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t nanoseconds_since(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

// LibTorch's messages carry a stack trace behind the first line.
EngineError current_error() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    return {ErrorCode::device, text.substr(0, text.find('\n'))};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::device, "out of memory"};
  } catch (const std::exception& error) {
    return {ErrorCode::device, error.what()};
  }
}

TensorType tensor_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kBFloat16:
      return TensorType::bf16;
    case at::kHalf:
      return TensorType::fp16;
    default:
      return TensorType::fp32;
  }
}

// Subtracting the maximum keeps exp within range. @return false when the logits are not finite
bool softmax(const float* logits, std::vector<float>& probabilities) {
  const std::size_t n = probabilities.size();
  const float highest = *std::max_element(logits, logits + n);
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += probabilities[i] = std::exp(logits[i] - highest);
  for (float& probability : probabilities) probability /= sum;
  return std::isfinite(sum) && std::isfinite(highest);
}

struct Slot {
  std::shared_ptr<EngineRequest> request;
  EngineListener* listener = nullptr;
};

// Input of one run of the network, filled slot by slot.
struct Batch {
  at::Tensor input;
  std::vector<Slot> slots;  // reserved ones; capacity: the batch size
  std::size_t written = 0;  // of those, filled or failed
  bool go = false;          // somebody asked for it not to wait for company
};

class BatchingEngine final : public Engine {
 public:
  explicit BatchingEngine(const EngineOptions& options)
      : batch_size_(static_cast<std::size_t>(options.batch_size)),
        wait_for_company_(options.wait_for_company) {
    Model model = load_model(options.model, options.labels_file);
    info_ = std::move(model.info);
    warnings_ = std::move(model.warnings);
    if (info_.classes.empty()) {
      for (int i = 0; i < model.network->num_classes(); ++i) info_.classes.push_back(std::to_string(i));
    }
    executor_ = make_executor(model.network, {options.device, options.precision, options.threads});
    model_name_ = std::filesystem::path(options.model).filename().string();
    description_ = info_.architecture.name() + ", " + executor_->description();
    for (Batch& batch : batches_) {
      batch.input = executor_->make_input(options.batch_size, info_.preprocessing.crop_size);
      batch.input.zero_();
      batch.slots.reserve(batch_size_);
    }
    worker_ = std::thread([this] { work(); });
  }

  ~BatchingEngine() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }

  const std::vector<std::string>& classes() const noexcept override { return info_.classes; }
  const std::string& model_name() const noexcept override { return model_name_; }
  const std::string& digest() const noexcept override { return info_.digest; }
  const std::string& description() const noexcept override { return description_; }
  double suggested_threshold() const noexcept override { return info_.threshold.value_or(0.0); }
  const std::vector<std::string>& warnings() const noexcept override { return warnings_; }

  std::uint64_t warm_up(EngineError& error) noexcept override {
    try {
      const std::lock_guard running(run_mutex_);
      executor_->run(batches_[0].input);  // one-time work
      const auto start = Clock::now();
      executor_->run(batches_[0].input);
      return nanoseconds_since(start);
    } catch (...) {
      error = current_error();
      return 0;
    }
  }

  void go() noexcept override {
    const std::lock_guard lock(mutex_);
    if (!open().slots.empty()) open().go = true;
    changed_.notify_all();
  }

  std::unique_ptr<EngineStream> open_stream(EngineListener& listener, EngineError& error) noexcept override;

  // Reserves a slot of the open batch. The caller fills it without a lock, then calls written().
  Batch& reserve(const std::shared_ptr<EngineRequest>& request, EngineListener& listener, std::size_t& slot) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open().slots.size() < batch_size_; });
    Batch& batch = open();
    slot = batch.slots.size();
    batch.slots.push_back({request, &listener});
    return batch;
  }

  void written(Batch& batch) {
    {
      const std::lock_guard lock(mutex_);
      ++batch.written;
    }
    changed_.notify_all();
  }

  const ModelInfo& info() const { return info_; }
  const at::Tensor& any_input() const { return batches_[0].input; }

 private:
  Batch& open() { return batches_[open_index_]; }

  bool ready() {
    const Batch& batch = open();
    if (batch.slots.empty() || batch.written < batch.slots.size()) return false;
    return !wait_for_company_ || batch.go || batch.slots.size() == batch_size_ || stopping_;
  }

  void work() noexcept {
    std::vector<EngineListener*> listeners;
    for (;;) {
      Batch* batch = nullptr;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return ready() || stopping_; });
        if (stopping_) return;
        batch = &open();
        for (const Slot& slot : batch->slots) slot.request->state = EngineRequest::State::running;
        open_index_ = 1 - open_index_;  // the other one is empty: this thread emptied it
      }
      changed_.notify_all();
      run(*batch);
      listeners.clear();
      for (const Slot& slot : batch->slots) {
        if (std::find(listeners.begin(), listeners.end(), slot.listener) == listeners.end()) {
          listeners.push_back(slot.listener);
        }
      }
      finish(*batch);
      for (EngineListener* listener : listeners) listener->results_ready();
    }
  }

  void run(Batch& batch) noexcept {
    try {
      const std::lock_guard running(run_mutex_);
      const auto n = static_cast<std::int64_t>(batch.slots.size());
      const at::Tensor logits = executor_->run(batch.input.narrow(0, 0, n));
      const float* row = logits.const_data_ptr<float>();
      for (const Slot& slot : batch.slots) {
        slot.request->probabilities.resize(info_.classes.size());
        if (!softmax(row, slot.request->probabilities) && !slot.request->error) {
          slot.request->error = {ErrorCode::device, "the network's output is not finite"};
        }
        row += info_.classes.size();
      }
    } catch (...) {
      const EngineError error = current_error();
      for (const Slot& slot : batch.slots) slot.request->error = error;
    }
  }

  void finish(Batch& batch) noexcept {
    for (const Slot& slot : batch.slots) slot.request->state = EngineRequest::State::done;
    const std::lock_guard lock(mutex_);
    batch.slots.clear();
    batch.written = 0;
    batch.go = false;
  }

  const std::size_t batch_size_;
  const bool wait_for_company_;
  ModelInfo info_;
  std::string model_name_, description_;
  std::vector<std::string> warnings_;
  std::mutex run_mutex_;  // held while the executor runs: the worker's and warm_up's turns
  std::unique_ptr<Executor> executor_;

  std::mutex mutex_;  // guards what follows, but not the bytes of a reserved slot
  std::condition_variable changed_;
  Batch batches_[2];
  std::size_t open_index_ = 0;
  bool stopping_ = false;

  std::thread worker_;
};

class BatchingStream final : public EngineStream {
 public:
  BatchingStream(BatchingEngine& engine, EngineListener& listener)
      : engine_(engine),
        listener_(listener),
        slot_bytes_(engine.any_input().nbytes() / static_cast<std::size_t>(engine.any_input().size(0))),
        preprocessor_(engine.info().preprocessing, tensor_type(engine.any_input()),
                      engine.any_input().is_contiguous() ? TensorLayout::chw : TensorLayout::hwc) {}

  void submit(const Image& image, const std::shared_ptr<EngineRequest>& request) noexcept override {
    request->state = EngineRequest::State::waiting;
    request->error = {};
    std::size_t slot = 0;
    Batch& batch = engine_.reserve(request, listener_, slot);
    const auto start = Clock::now();
    try {
      preprocessor_.run(image, static_cast<std::uint8_t*>(batch.input.data_ptr()) + slot * slot_bytes_);
    } catch (...) {
      request->error = current_error();
    }
    conversion_time_.store(nanoseconds_since(start), std::memory_order_relaxed);
    engine_.written(batch);
  }

  std::uint64_t conversion_time() const noexcept override {
    return conversion_time_.load(std::memory_order_relaxed);
  }

 private:
  BatchingEngine& engine_;
  EngineListener& listener_;
  std::size_t slot_bytes_;
  Preprocessor preprocessor_;
  std::atomic<std::uint64_t> conversion_time_{0};
};

std::unique_ptr<EngineStream> BatchingEngine::open_stream(EngineListener& listener,
                                                          EngineError& error) noexcept {
  try {
    return std::make_unique<BatchingStream>(*this, listener);
  } catch (...) {
    error = current_error();
    return nullptr;
  }
}

std::unique_ptr<Engine> open_engine(const EngineOptions& options, EngineError& error) noexcept {
  try {
    return std::make_unique<BatchingEngine>(options);
  } catch (...) {
    error = current_error();
    return nullptr;
  }
}

}  // namespace

}  // namespace resnet

extern "C" __attribute__((visibility("default"))) const resnet::EngineModule resnet_engine_module;
const resnet::EngineModule resnet_engine_module = {resnet::engine_module_version, resnet::open_engine};
