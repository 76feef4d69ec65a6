#include "training/team.h"

#include <algorithm>
#include <utility>

namespace resnet {

Team::Team(std::size_t size, const std::function<void()>& start) {
  failures_.resize(std::max<std::size_t>(1, size));
  for (std::size_t member = 1; member < size; ++member) {
    threads_.emplace_back([this, start, member] {
      start();
      serve(member);
    });
  }
}

Team::~Team() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  called_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Team::run(std::size_t count, const std::function<void(std::size_t)>& work) {
  {
    const std::scoped_lock lock(mutex_);
    work_ = &work;
    count_ = count;
    working_ = threads_.size();
    ++round_;
  }
  called_.notify_all();
  do_parts(0);
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return working_ == 0; });
  const auto failed =
      std::find_if(failures_.begin(), failures_.end(), [](const auto& f) { return f != nullptr; });
  if (failed != failures_.end()) {
    const std::exception_ptr failure = std::exchange(*failed, nullptr);
    std::fill(failures_.begin(), failures_.end(), nullptr);
    std::rethrow_exception(failure);
  }
}

void Team::do_parts(std::size_t member) {
  try {
    for (std::size_t part = member; part < count_; part += size()) {
      (*work_)(part);
    }
  } catch (...) {
    failures_[member] = std::current_exception();
  }
}

void Team::serve(std::size_t member) {
  std::unique_lock lock(mutex_);
  for (std::size_t served = 0;;) {
    called_.wait(lock, [&] { return stopping_ || round_ != served; });
    if (stopping_) {
      return;
    }
    served = round_;
    lock.unlock();
    do_parts(member);
    lock.lock();
    if (--working_ == 0) {
      finished_.notify_all();
    }
  }
}

}  // namespace resnet
