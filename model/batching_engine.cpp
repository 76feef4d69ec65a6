#include "model/batching_engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>

#include "model/activation.h"
#include "model/current_error.h"
#include "model/engine_stream.h"
#include "model/executor_input.h"

namespace resnet {

namespace {

template <typename TimePoint>
std::uint64_t nanoseconds(TimePoint from, TimePoint to) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count());
}

}  // namespace

BatchingEngine::BatchingEngine(std::unique_ptr<Executor> executor, ModelInfo info, int num_classes,
                               std::string model_name, std::vector<std::string> warnings)
    : executor_(std::move(executor)),
      converts_later_(executor_->occupies_all_cores()),
      info_(std::move(info)),
      num_classes_(static_cast<std::size_t>(num_classes)),
      model_name_(std::move(model_name)),
      description_(info_.architecture.name() + ", " + executor_->description()),
      warnings_(std::move(warnings)),
      preprocessors_(
          make_preprocessor(info_.preprocessing, executor_->make_input(1, info_.preprocessing.crop_size))),
      is_helped_(executor_->set_meanwhile([this] { help(); })) {
  worker_ = std::thread([this] { work(); });
}

BatchingEngine::~BatchingEngine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  worker_.join();
  for (Batch& batch : batches_) batch.input.reset();
  executor_.reset();  // whose threads may be helping still
}

std::uint64_t BatchingEngine::warm_up(EngineError& error) noexcept {
  try {
    std::size_t n = 0;
    {
      const std::lock_guard lock(mutex_);
      n = batch_size_;
    }
    const std::lock_guard running(run_mutex_);
    if (warm_up_time_ != 0) return warm_up_time_;
    const auto input = executor_->make_batch(static_cast<int>(n), info_.preprocessing.crop_size);
    const auto time_of = [&](std::size_t pictures) {
      const auto start = Clock::now();
      input->run(pictures, nullptr);
      return nanoseconds(start, Clock::now());
    };
    constexpr std::uint64_t long_time = 5'000'000;  // ns
    time_of(1);                                     // one-time work
    const std::uint64_t one = time_of(1);
    if (one > long_time) return warm_up_time_ = one * n;
    return warm_up_time_ = std::min(time_of(n), one * n);
  } catch (...) {
    error = current_error();
    return 0;
  }
}

std::unique_ptr<EngineStream> BatchingEngine::open_stream(const StreamOptions& options,
                                                          EngineListener& listener,
                                                          EngineError& error) noexcept {
  try {
    return std::make_unique<Stream>(*this, options, listener);
  } catch (...) {
    error = current_error();
    return nullptr;
  }
}

EngineStatistics BatchingEngine::statistics() const noexcept {
  const std::lock_guard lock(mutex_);
  EngineStatistics result = statistics_;
  result.streams = streams_.size();
  return result;
}

// Gives an empty batch that nobody fills or runs its input. The caller holds the lock.
void BatchingEngine::fit(Batch& batch) {
  if (batch.capacity() >= batch_size_) return;
  auto larger = executor_->make_batch(static_cast<int>(batch_size_), info_.preprocessing.crop_size);
  batch.slots.reserve(batch_size_);
  batch.input = std::move(larger);
}

// A larger batch may not be to be had: the room that is there serves on.
void BatchingEngine::try_to_fit(Batch& batch) noexcept {
  try {
    fit(batch);
  } catch (...) {
    batch_size_ = std::max<std::size_t>(1, batch.capacity());
  }
}

void BatchingEngine::add(Stream& stream) {
  std::unique_lock lock(mutex_);
  batch_size_ = std::max(batch_size_, stream.batch_size());
  if (streams_.empty()) {
    for (Batch& batch : batches_) {
      if (batch.slots.empty()) fit(batch);  // else it may run for a stream that has gone
    }
  }
  line_.reserve(streams_.size() + 1);
  untold_.reserve(streams_.size() + 1);
  preprocessors_.serve(streams_.size() + 1);
  streams_.push_back(&stream);  // where others are at work, each batch grows when it is empty
  give_turns(lock);             // there may be more room
}

void BatchingEngine::remove(Stream& stream) {
  std::unique_lock lock(mutex_);
  std::erase(streams_, &stream);
  preprocessors_.serve(streams_.size());
  line_.leave(stream);
  std::erase(untold_, &stream);
  batch_size_ = 1;
  for (const Stream* other : streams_) batch_size_ = std::max(batch_size_, other->batch_size());
  for (Batch& batch : batches_) {
    for (Slot& slot : batch.slots) {
      if (slot.stream != &stream) continue;
      slot.stream = nullptr;
      batch.go = true;  // others shall not wait with it for company
      if (&batch == &open_batch() && slot.pixels) {
        slot.pixels.reset();
        --batch.unread;
      }
    }
  }
  work_.notify_one();
  give_turns(lock);
  // No pictures of the stream are in use any more when the batch that runs has read all that it has.
  const Batch& other = batches_[1 - open_index_];
  const std::uint64_t batches = statistics_.batches;
  let_go_.wait(lock,
               [&] { return stream.telling == 0 && (other.unread == 0 || statistics_.batches != batches); });
}

// How many of the first in the line may take a slot: those in front leave one for the others, or the network
// would idle.
std::size_t BatchingEngine::turns() const {
  const Batch& batch = open_batch();
  const std::size_t free = room(batch) - std::min(room(batch), batch.slots.size());
  return running_ || free == 0 ? free : std::numeric_limits<std::size_t>::max();
}

// Without the lock, which who is woken may want, but before remove() goes on.
template <typename Notify>
void BatchingEngine::tell(std::unique_lock<std::mutex>& lock, Stream& stream, const Notify& notify) {
  ++stream.telling;
  lock.unlock();
  notify();
  lock.lock();
  --stream.telling;
  let_go_.notify_all();
}

// Wakes who waits for what has become theirs.
void BatchingEngine::give_turns(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t call = ++calls_;
  while (Stream* stream = line_.next(call, turns())) {
    tell(lock, *stream, [stream] { stream->turn().notify_one(); });
  }
}

// Tells each stream whose results are there, and then who may take a slot.
void BatchingEngine::announce(std::unique_lock<std::mutex>& lock) {
  news_ = false;
  while (!untold_.empty()) {
    Stream* stream = untold_.back();
    untold_.pop_back();
    tell(lock, *stream, [stream] { stream->tell(); });
  }
  give_turns(lock);
}

// What the network's threads do where they would wait for each other: who is woken by one of these does not
// keep the engine's own thread from going on.
void BatchingEngine::help() noexcept {
  if (!news_) return;
  std::unique_lock lock(mutex_);
  if (news_) announce(lock);
}

// A slot of the open batch, whose bytes the caller fills without a lock before it calls written(), unless
// that is done later.
// @return nullptr: there is none, and the caller does not wait
BatchingEngine::Batch* BatchingEngine::reserve(Slot&& slot, const SubmitOptions& options,
                                               std::size_t& index) {
  Stream& stream = *slot.stream;
  std::unique_lock lock(mutex_);
  if (line_.join(stream, options.wait)) give_turns(lock);
  if (options.wait) {
    stream.turn().wait(lock, [&] { return has_turn(stream); });
  } else if (!has_turn(stream)) {
    return nullptr;
  }
  line_.leave(stream);
  Batch& batch = open_batch();
  index = batch.slots.size();
  slot.request->state = EngineRequest::State::waiting;
  slot.request->error = {};
  slot.request->conversion_time = 0;
  slot.submitted = Clock::now();
  if (slot.pixels) ++batch.unread;
  batch.slots.push_back(std::move(slot));
  batch.go = batch.go || !options.patient;
  return &batch;
}

void BatchingEngine::written(Batch& batch) {
  {
    const std::lock_guard lock(mutex_);
    ++batch.written;
  }
  work_.notify_one();
}

// The caller holds the lock.
std::size_t BatchingEngine::waiting(const Stream& stream) const {
  const std::vector<Slot>& slots = open_batch().slots;
  return static_cast<std::size_t>(
      std::count_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.stream == &stream; }));
}

void BatchingEngine::go(Stream& stream) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting(stream) == 0) return;
    open_batch().go = true;
  }
  work_.notify_one();
}

bool BatchingEngine::ready() {
  const Batch& batch = open_batch();
  if (batch.slots.empty() || batch.written < batch.slots.size()) return false;
  return batch.go || batch.slots.size() >= room(batch);
}

void BatchingEngine::work() noexcept {
  for (;;) {
    Batch* batch = nullptr;
    {
      std::unique_lock lock(mutex_);
      running_ = ready();
      if (!running_ || !is_helped_) announce(lock);
      work_.wait(lock, [&] { return stopping_ || ready(); });
      if (stopping_) return;
      running_ = true;
      batch = &open_batch();
      for (const Slot& slot : batch->slots) slot.request->state = EngineRequest::State::running;
      open_index_ = 1 - open_index_;  // the other one is empty: this thread emptied it
      if (is_helped_) {
        news_ = true;
      } else {
        give_turns(lock);
      }
    }
    run(*batch);
    finish(*batch);
  }
}

void BatchingEngine::hand_out(const NetworkOutput& output, std::size_t row, const Slot& slot) const {
  EngineRequest& request = *slot.request;
  request.probabilities.resize(slot.wanted.classes ? num_classes_ : 0);
  request.features.clear();
  const auto row_of = [row](const at::Tensor& tensor) {
    const auto width = static_cast<std::size_t>(tensor.size(1));
    return std::span(tensor.const_data_ptr<float>() + row * width, width);
  };
  if (slot.wanted.features) {
    const std::span features = row_of(output.features);
    request.features.assign(features.begin(), features.end());
  }
  const bool finite = std::all_of(request.features.begin(), request.features.end(),
                                  [](float feature) { return std::isfinite(feature); }) &&
                      (!slot.wanted.classes || activate(slot.wanted.activation, info_.temperature,
                                                        row_of(output.logits), request.probabilities));
  if (!finite && !request.error) {
    request.error = {ErrorCode::device, "the network's output is not finite"};
  }
}

// Converts a part of a picture into a slot. An error is the request's.
void BatchingEngine::put(const Image& image, EngineRequest& request, Batch& batch, std::size_t index,
                         PicturePart part) noexcept {
  const auto start = Clock::now();
  EngineError error;
  try {
    Preprocessor preprocessor = preprocessors_.take(image);
    batch.input->put(index, image, preprocessor, part);
    preprocessors_.give_back(std::move(preprocessor));
  } catch (...) {
    error = current_error();
  }
  const std::lock_guard lock(mutex_);  // the parts' threads share the request
  request.conversion_time += nanoseconds(start, Clock::now());
  if (error) request.error = std::move(error);
}

// Of a batch that runs: what its slots hold is the engine's threads' alone.
void BatchingEngine::convert(Batch& batch, std::size_t index, PicturePart part) noexcept {
  Slot& slot = batch.slots[index];
  if (!slot.pixels) return;
  put(slot.image, *slot.request, batch, index, part);
  std::shared_ptr<const void> read;  // let go without the lock, but before remove() goes on
  {
    const std::lock_guard lock(mutex_);
    if (++slot.parts_made < part.count) return;
    read = std::move(slot.pixels);
  }
  read.reset();
  const std::lock_guard lock(mutex_);
  if (--batch.unread == 0) let_go_.notify_all();
}

void BatchingEngine::run(Batch& batch) noexcept {
  const auto start = Clock::now();
  try {
    const std::lock_guard running(run_mutex_);
    const MakePicture make_picture = [&](std::size_t index, PicturePart part) {
      convert(batch, index, part);
    };
    const NetworkOutput output =
        batch.input->run(batch.slots.size(), converts_later_ ? make_picture : nullptr);
    for (std::size_t i = 0; i < batch.slots.size(); ++i) hand_out(output, i, batch.slots[i]);
  } catch (...) {
    const EngineError error = current_error();
    for (const Slot& slot : batch.slots) {
      try {
        slot.request->error = error;
      } catch (const std::bad_alloc&) {
        slot.request->error = out_of_memory();
      }
    }
  }
  const auto end = Clock::now();
  for (const Slot& slot : batch.slots) {
    slot.request->waiting_time = nanoseconds(slot.submitted, start);
    slot.request->running_time = nanoseconds(start, end);
    slot.request->done_time = nanoseconds({}, end);
  }
}

// Hands the results out and empties the batch. Its streams are told when the next one runs, or there is none.
void BatchingEngine::finish(Batch& batch) noexcept {
  const std::lock_guard lock(mutex_);
  ++statistics_.batches;
  statistics_.frames += batch.slots.size();
  statistics_.running_time += batch.slots.front().request->running_time;
  for (Slot& slot : batch.slots) {
    // Not held any longer than that: its user may want to use it again.
    const std::shared_ptr<EngineRequest> request = std::move(slot.request);
    request->state = EngineRequest::State::done;
    const bool is_new = slot.stream != nullptr && std::ranges::find(untold_, slot.stream) == untold_.end();
    if (is_new) untold_.push_back(slot.stream);
  }
  batch.slots.clear();
  batch.written = batch.unread = 0;
  batch.go = false;
  try_to_fit(batch);
  let_go_.notify_all();  // of all that it had, though nobody may be left to be told
}

}  // namespace resnet
