#include "training/loader.h"

#include <algorithm>

#include "model/error.h"

namespace resnet {
namespace {

std::size_t positive(int value) { return static_cast<std::size_t>(std::max(1, value)); }

}  // namespace

Loader::Loader(std::vector<std::size_t> order, const LoaderOptions& options,
               const std::function<SampleWriter()>& make_writer)
    : order_(std::move(order)),
      options_(options),
      batches_((order_.size() + positive(options.batch_size) - 1) / positive(options.batch_size)),
      slots_(std::min(positive(options.prefetch), std::max<std::size_t>(1, batches_))) {
  for (std::size_t batch = 0; batch < std::min(slots_.size(), batches_); ++batch) {
    prepare(batch);
  }
  for (std::size_t i = 0; i < positive(options.workers); ++i) {
    threads_.emplace_back([this, write = make_writer()] { work(write); });
  }
}

Loader::~Loader() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

std::size_t Loader::batch_length(std::size_t batch) const {
  const std::size_t size = positive(options_.batch_size);
  return std::min(size, order_.size() - batch * size);
}

void Loader::prepare(std::size_t batch) {
  Slot& target = slot(batch);
  const std::size_t length = batch_length(batch);
  target.batch.bytes.resize(length * options_.sample_bytes);
  target.errors.assign(length, {});
  target.missing = length;
}

void Loader::work(const SampleWriter& write) {
  const std::size_t size = positive(options_.batch_size);
  std::unique_lock lock(mutex_);
  for (;;) {
    room_.wait(lock, [&] {
      return stopping_ || next_sample_ >= order_.size() || next_sample_ / size < next_batch_ + slots_.size();
    });
    if (stopping_ || next_sample_ >= order_.size()) {
      return;
    }
    const std::size_t position = next_sample_++;
    Slot& target = slot(position / size);
    std::uint8_t* out = target.batch.bytes.data() + position % size * options_.sample_bytes;
    std::string error;
    lock.unlock();
    std::exception_ptr failure;
    try {
      write(order_[position], out);
    } catch (const Error& problem) {
      error = problem.what();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) {
      failure_ = failure;
      stopping_ = true;
      room_.notify_all();
    }
    target.errors[position % size] = std::move(error);
    if (--target.missing == 0 || failure) {
      ready_.notify_all();
    }
  }
}

std::optional<Batch> Loader::next() {
  std::unique_lock lock(mutex_);
  if (next_batch_ == batches_) {
    return std::nullopt;
  }
  ready_.wait(lock, [&] { return failure_ || slot(next_batch_).missing == 0; });
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  Batch batch = finish(next_batch_);
  const std::size_t following = next_batch_ + slots_.size();
  if (following < batches_) {
    prepare(following);
  }
  ++next_batch_;
  room_.notify_all();
  return batch;
}

Batch Loader::finish(std::size_t number) {
  Slot& source = slot(number);
  Batch batch = std::move(source.batch);
  source.batch = {};
  const std::size_t first = number * positive(options_.batch_size);
  const std::size_t bytes = options_.sample_bytes;
  for (std::size_t i = 0; i < source.errors.size(); ++i) {
    if (!source.errors[i].empty()) {
      batch.failures.emplace_back(order_[first + i], std::move(source.errors[i]));
      continue;
    }
    const std::size_t kept = batch.indices.size();
    if (kept != i) {
      std::copy_n(batch.bytes.begin() + static_cast<std::ptrdiff_t>(i * bytes), bytes,
                  batch.bytes.begin() + static_cast<std::ptrdiff_t>(kept * bytes));
    }
    batch.indices.push_back(order_[first + i]);
  }
  batch.bytes.resize(batch.indices.size() * bytes);
  return batch;
}

}  // namespace resnet
