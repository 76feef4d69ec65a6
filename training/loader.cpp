#include "training/loader.h"

#include <algorithm>

#include "model/error.h"

namespace resnet {
namespace {

std::size_t positive(int value) { return static_cast<std::size_t>(std::max(1, value)); }

}  // namespace

Loader::Loader(Batches batches, const LoaderOptions& options,
               const std::function<SampleWriter()>& make_writer)
    : batches_(std::move(batches)),
      options_(options),
      slots_(std::min(positive(options.prefetch), std::max<std::size_t>(1, batches_.size()))) {
  for (std::size_t batch = 0; batch < std::min(slots_.size(), batches_.size()); ++batch) {
    prepare(batch);
  }
  pass_finished_batches();
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

/// Goes on to the next batch when all samples of this one are taken.
void Loader::pass_finished_batches() {
  while (next_sample_.batch < batches_.size() && next_sample_.sample == batches_[next_sample_.batch].size())
    next_sample_ = {next_sample_.batch + 1, 0};
}

void Loader::prepare(std::size_t batch) {
  Slot& target = slot(batch);
  const std::size_t length = batches_[batch].size();
  target.batch.bytes.resize(length * options_.sample_bytes);
  target.errors.assign(length, {});
  target.missing = length;
}

void Loader::work(const SampleWriter& write) {
  std::unique_lock lock(mutex_);
  for (;;) {
    room_.wait(lock, [&] {
      return stopping_ || next_sample_.batch >= batches_.size() ||
             next_sample_.batch < next_batch_ + slots_.size();
    });
    if (stopping_ || next_sample_.batch >= batches_.size()) {
      return;
    }
    const Place place = next_sample_;
    ++next_sample_.sample;
    pass_finished_batches();
    Slot& target = slot(place.batch);
    std::uint8_t* out = target.batch.bytes.data() + place.sample * options_.sample_bytes;
    std::string error;
    lock.unlock();
    std::exception_ptr failure;
    try {
      write(batches_[place.batch][place.sample], out);
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
    target.errors[place.sample] = std::move(error);
    if (--target.missing == 0 || failure) {
      ready_.notify_all();
    }
  }
}

std::optional<Batch> Loader::next() {
  std::unique_lock lock(mutex_);
  if (next_batch_ == batches_.size()) {
    return std::nullopt;
  }
  ready_.wait(lock, [&] { return failure_ || slot(next_batch_).missing == 0; });
  if (failure_) {
    std::rethrow_exception(failure_);
  }
  Batch batch = finish(next_batch_);
  const std::size_t following = next_batch_ + slots_.size();
  if (following < batches_.size()) {
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
  const std::vector<std::size_t>& indices = batches_[number];
  const std::size_t bytes = options_.sample_bytes;
  for (std::size_t i = 0; i < source.errors.size(); ++i) {
    if (!source.errors[i].empty()) {
      batch.failures.emplace_back(indices[i], std::move(source.errors[i]));
      continue;
    }
    const std::size_t kept = batch.indices.size();
    if (kept != i) {
      std::copy_n(batch.bytes.begin() + static_cast<std::ptrdiff_t>(i * bytes), bytes,
                  batch.bytes.begin() + static_cast<std::ptrdiff_t>(kept * bytes));
    }
    batch.indices.push_back(indices[i]);
  }
  batch.bytes.resize(batch.indices.size() * bytes);
  return batch;
}

}  // namespace resnet
