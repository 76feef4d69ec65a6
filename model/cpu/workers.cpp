#include "model/cpu/workers.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "model/error.h"

namespace resnet::cpu {

namespace {

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

Workers::Workers(int threads) {
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
  ends_.resize(units.size());
  int end = 0;
  for (std::size_t i = 0; i < units.size(); ++i) ends_[i] = end += units[i];
  work_ = &work;
  next_ = 0;
  completed_ = 0;
  ++round_;
  round_.notify_all();
  take_part(0);
  for (Spin spin; completed_.load() != end;) spin.wait();
  ++round_;
}

void Workers::serve(int member) {
  for (;;) {
    ++taking_part_;
    const unsigned round = round_.load();
    const bool stop = stopping_;  // set before the last round, so that nobody waits for another
    if (round % 2 == 1 && !stop) take_part(member);
    --taking_part_;
    if (stop) return;
    round_.wait(round);
  }
}

void Workers::take_part(int member) {
  const int all = ends_.empty() ? 0 : ends_.back();
  std::size_t stage = 0;
  Spin spin;
  int unit = next_.load();
  while (unit < all) {
    while (unit >= ends_[stage]) ++stage;
    const int begin = stage == 0 ? 0 : ends_[stage - 1];
    if (completed_.load() < begin) {  // a unit of the stage before is still in work
      spin.wait();
      unit = next_.load();
      continue;
    }
    if (!next_.compare_exchange_weak(unit, unit + 1)) continue;
    (*work_)(static_cast<int>(stage), unit - begin, member);
    ++completed_;
    spin = Spin();
    unit = next_.load();
  }
}

}  // namespace resnet::cpu
