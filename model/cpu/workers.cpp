#include "model/cpu/workers.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>

#include "model/cpu/operation.h"
#include "model/error.h"

namespace resnet::cpu {

namespace {

using Clock = std::chrono::steady_clock;

// A round that follows so soon is one of many: of pictures that wait.
constexpr std::chrono::microseconds soon_after{200};

/// Waits for what another thread does within microseconds; lets others run when it does not.
class Spin {
 public:
  void wait() {
    if (++turns_ < 2000) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    } else {
      std::this_thread::yield();
    }
  }

 private:
  int turns_ = 0;
};

}  // namespace

Workers::Workers(int threads) : taken_(static_cast<std::size_t>(std::max(threads, 1))) {
  threads_.reserve(static_cast<std::size_t>(std::max(threads - 1, 0)));
  try {
    for (int member = 1; member < threads; ++member) threads_.emplace_back([this, member] { serve(member); });
  } catch (const std::system_error& error) {
    const std::size_t there = threads_.size() + 1;
    stop();
    throw Error(ErrorCode::device, "the system gives " + std::to_string(there) + " of " +
                                       std::to_string(threads) + " threads (" + error.code().message() +
                                       "); ask for fewer");
  }
}

Workers::~Workers() { stop(); }

void Workers::stop() {
  stopping_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Workers::run(const std::vector<int>& units,
                  const std::function<void(int stage, int unit, int member)>& work) {
  // Between two rounds `round_` is even, and who looks at it then does not take part.
  for (Spin spin; taking_part_.load() != 0;) spin.wait();
  begins_.assign(1, 0);
  for (const int count : units) begins_.push_back(begins_.back() + count);
  const int end = begins_.back();
  work_ = &work;
  for (Taken& taken : taken_) taken.units = 0;
  completed_ = 0;
  ++round_;
  round_.notify_all();
  take_part(0);
  wait_while([&] { return completed_.load() != end; });
  ++round_;
}

template <typename Waits>
void Workers::wait_while(const Waits& waits) {
  for (Spin spin;; spin.wait()) {
    spend_time();
    if (!waits()) return;
  }
}

void Workers::spend_time() const {
  if (const Meanwhile* meanwhile = meanwhile_) (*meanwhile)();
}

void Workers::serve(int member) {
  bool soon = false;
  for (;;) {
    ++taking_part_;
    const unsigned round = round_.load();
    const bool stop = stopping_;  // set before the last round, so that nobody waits for another
    if (round % 2 == 1 && !stop) take_part(member);
    --taking_part_;
    if (stop) return;
    soon = wait_for_next(round, soon);
  }
}

// Whoever sleeps begins tens of microseconds late: where rounds have followed each other, threads stay awake
// for a while, but let others run.
// @param soon whether the round before came soon  @return whether this one did
bool Workers::wait_for_next(unsigned round, bool soon) {
  const Clock::time_point start = Clock::now();
  const auto waited = [&] { return Clock::now() - start; };
  const unsigned next = round % 2 == 1 ? round + 2 : round + 1;
  const auto is_before = [next](unsigned now) { return static_cast<int>(now - next) < 0; };
  while (soon && is_before(round_) && waited() < soon_after) {
    spend_time();
    std::this_thread::yield();
  }
  for (unsigned now = round_; is_before(now); now = round_) round_.wait(now);
  return waited() < soon_after;
}

void Workers::take_part(int member) {
  const int stages = static_cast<int>(begins_.size()) - 1;
  for (int stage = 0; stage < stages; ++stage) {
    const int begin = begins_[static_cast<std::size_t>(stage)];
    // A unit of the stage before may still be in work.
    if (stage > 0 || member > 0) wait_while([&] { return completed_.load() < begin; });
    for (int unit = take_unit(stage, member); unit >= 0; unit = take_unit(stage, member)) {
      (*work_)(stage, unit, member);
      ++completed_;
    }
  }
}

/// Its own first.  @return -1: all are taken
int Workers::take_unit(int stage, int member) {
  for (int i = 0; i < size(); ++i) {
    const int unit = take_own_unit(stage, (member + i) % size());
    if (unit >= 0) return unit;
  }
  return -1;
}

int Workers::take_own_unit(int stage, int owner) {
  const auto at = static_cast<std::size_t>(stage);
  const Range own = part_of(begins_[at + 1] - begins_[at], owner, size());
  const std::uint64_t none = std::uint64_t{static_cast<std::uint32_t>(stage)} << 32U;
  const std::uint64_t all = none + static_cast<std::uint64_t>(own.size());
  std::atomic<std::uint64_t>& taken = taken_[static_cast<std::size_t>(owner)].units;
  std::uint64_t before = taken.load();
  for (;;) {
    const std::uint64_t next = std::max(before, none);
    if (next >= all) return -1;
    if (taken.compare_exchange_weak(before, next + 1)) return own.begin + static_cast<int>(next - none);
  }
}

}  // namespace resnet::cpu
