#ifndef RESNET_MODEL_CPU_WORKERS_H
#define RESNET_MODEL_CPU_WORKERS_H

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace resnet::cpu {

/// Threads that do a list of stages together, each stage in units that need not wait for each other. Each
/// member begins with units of its own, the same part of each stage, so that it finds in its caches what it
/// made in the stage before: cores may be far from each other. It goes on with what is left of the others'.
/// Nobody is waited for who has not begun a unit: a thread that the system keeps from running holds nothing
/// up.
class Workers {
 public:
  /// @param threads with the caller's
  /// @throws Error device: there are not so many to be had
  explicit Workers(int threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// What threads do for others where they would wait. Called by each thread that comes to another stage and
  /// by all but run()'s caller when they come to the first; by those who wait for a stage, or a short while
  /// for the next run(), again and again. It throws nothing, and returns soon.
  using Meanwhile = std::function<void()>;
  /// Once, but not during a run(). It is called until the threads have ended, with the destructor.
  void set_meanwhile(Meanwhile meanwhile) {
    kept_meanwhile_ = std::move(meanwhile);
    meanwhile_ = &kept_meanwhile_;
  }

  /// Calls work(stage, unit, member) for each unit of each stage; a stage begins when the one before it is
  /// done. Returns when all is done.
  /// @param units of each stage
  /// @param work throws nothing; `member` is below size(), and no two threads are the same at a time
  void run(const std::vector<int>& units, const std::function<void(int stage, int unit, int member)>& work);

 private:
  void stop();
  void serve(int member);
  bool wait_for_next(unsigned round, bool soon);
  template <typename Waits>
  void wait_while(const Waits& waits);
  void spend_time() const;
  void take_part(int member);
  int take_unit(int stage, int member);
  int take_own_unit(int stage, int owner);

  // How many of a member's own units are taken, by whomever: of a stage, in the upper half, and none of later
  // ones. On a line of its own, which few others write.
  struct alignas(64) Taken {
    std::atomic<std::uint64_t> units{0};
  };

  Meanwhile kept_meanwhile_;
  std::atomic<const Meanwhile*> meanwhile_{nullptr};  // that, once it is there

  // Written by run() while nobody takes part.
  std::vector<int> begins_{0};  // units of all stages before each stage, and of all
  const std::function<void(int, int, int)>* work_ = nullptr;

  std::vector<Taken> taken_;         // of each member
  std::atomic<int> completed_{0};    // units done
  std::atomic<int> taking_part_{0};  // threads that may look at the list
  std::atomic<unsigned> round_{0};   // of run(); odd while one is open
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace resnet::cpu

#endif
