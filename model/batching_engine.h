#ifndef RESNET_MODEL_BATCHING_ENGINE_H
#define RESNET_MODEL_BATCHING_ENGINE_H

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "model/engine.h"
#include "model/executor.h"
#include "model/model_info.h"
#include "model/preprocessor_pool.h"
#include "model/waiting_line.h"

namespace resnet {

/// Fills batches across streams and runs them in a thread of its own: one batch runs while the next is open.
/// It never idles while an impatient picture waits.
class BatchingEngine final : public Engine {
 public:
  /// @param info of the model; its classes may be empty
  BatchingEngine(std::unique_ptr<Executor> executor, ModelInfo info, int num_classes, std::string model_name,
                 std::vector<std::string> warnings);
  ~BatchingEngine() override;

  const std::string& model_name() const noexcept override { return model_name_; }
  const std::string& digest() const noexcept override { return info_.digest; }
  const std::string& description() const noexcept override { return description_; }
  double suggested_threshold() const noexcept override { return info_.threshold.value_or(0.0); }
  const std::vector<std::string>& warnings() const noexcept override { return warnings_; }
  std::uint64_t warm_up(EngineError& error) noexcept override;
  std::unique_ptr<EngineStream> open_stream(const StreamOptions& options, EngineListener& listener,
                                            EngineError& error) noexcept override;
  EngineStatistics statistics() const noexcept override;

 private:
  class Stream;
  using Clock = std::chrono::steady_clock;

  /// What is made of a picture's output.
  struct Output {
    Activation activation = Activation::softmax;
    bool classes = true, features = false;
  };

  struct Slot {
    std::shared_ptr<EngineRequest> request;
    Stream* stream = nullptr;  // null: it is gone
    Output wanted;
    Clock::time_point submitted;
    // Of a picture that is converted when its batch runs.
    Image image;
    std::shared_ptr<const void> pixels;
    std::size_t parts_made = 0;  // guarded by mutex_
  };

  // Input of one run of the network, filled slot by slot.
  struct Batch {
    std::unique_ptr<BatchInput> input;
    std::vector<Slot> slots;  // reserved ones
    std::size_t unread = 0;   // of those, the pictures that somebody keeps
    std::size_t written = 0;  // and those that are converted, or will be when it runs
    bool go = false;          // it need not be full

    std::size_t capacity() const { return input ? input->capacity() : 0; }
  };

  void add(Stream& stream);
  void remove(Stream& stream);
  Batch* reserve(Slot&& slot, const SubmitOptions& options, std::size_t& index);
  std::size_t turns() const;
  bool has_turn(const Stream& stream) const { return line_.before(stream) < turns(); }
  void give_turns(std::unique_lock<std::mutex>& lock);
  void announce(std::unique_lock<std::mutex>& lock);
  template <typename Notify>
  void tell(std::unique_lock<std::mutex>& lock, Stream& stream, const Notify& notify);
  void help() noexcept;
  void written(Batch& batch);
  std::size_t waiting(const Stream& stream) const;
  void go(Stream& stream);

  Batch& open_batch() { return batches_[open_index_]; }
  const Batch& open_batch() const { return batches_[open_index_]; }
  std::size_t room(const Batch& batch) const { return std::min(batch.capacity(), batch_size_); }
  void fit(Batch& batch);
  void try_to_fit(Batch& batch) noexcept;
  bool ready();
  void work() noexcept;
  void put(const Image& image, EngineRequest& request, Batch& batch, std::size_t index,
           PicturePart part = {}) noexcept;
  void convert(Batch& batch, std::size_t index, PicturePart part) noexcept;
  void run(Batch& batch) noexcept;
  void hand_out(const NetworkOutput& output, std::size_t row, const Slot& slot) const;
  void finish(Batch& batch) noexcept;

  std::unique_ptr<Executor> executor_;
  const bool converts_later_;  // the pictures that somebody keeps, when their batch runs
  const ModelInfo info_;
  const std::size_t num_classes_;
  const std::string model_name_;
  const std::string description_;
  const std::vector<std::string> warnings_;
  PreprocessorPool preprocessors_;

  std::mutex run_mutex_;            // held while the executor runs: the worker's and warm_up's turns
  std::uint64_t warm_up_time_ = 0;  // guarded by run_mutex_; 0: not warm

  mutable std::mutex mutex_;        // guards what follows, but not the bytes of a reserved slot
  std::condition_variable work_;    // there may be some, or an end: for the worker
  std::condition_variable let_go_;  // of pictures, or of a stream: for remove()
  std::vector<Stream*> streams_;
  std::size_t batch_size_ = 1;  // the largest of the streams'
  Batch batches_[2];
  std::size_t open_index_ = 0;
  WaitingLine<Stream> line_;       // for slots; has room for all
  std::uint64_t calls_ = 0;        // to those in it, of give_turns()
  std::vector<Stream*> untold_;    // whose results are there; has room for all
  std::atomic<bool> news_{false};  // to announce; set with the lock, looked at without
  bool running_ = false;           // the network, or it is about to
  EngineStatistics statistics_;
  bool stopping_ = false;

  // Whether the network's threads announce what there is while it runs. They may begin as soon as it is set,
  // with all that is above.
  const bool is_helped_;
  std::thread worker_;
};

}  // namespace resnet

#endif
