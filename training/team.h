#ifndef RESNET_TRAINING_TEAM_H
#define RESNET_TRAINING_TEAM_H

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace resnet {

/// Threads that do the parts of one piece of work at the same time; the caller's thread is one of them.
class Team {
 public:
  /// @param start called once in every thread but the caller's
  Team(std::size_t size, const std::function<void()>& start);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t size() const { return failures_.size(); }

  /// Calls work(0) … work(count − 1), member i of the team those with number i, i + size, …; returns when all
  /// are done. What one of them throws is thrown here, the first of the lowest member.
  void run(std::size_t count, const std::function<void(std::size_t part)>& work);

 private:
  void serve(std::size_t member);
  void do_parts(std::size_t member);

  std::mutex mutex_;
  std::condition_variable called_, finished_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::size_t count_ = 0;
  std::size_t round_ = 0;    ///< of run(); a member serves each once
  std::size_t working_ = 0;  ///< members that are not done with this round
  bool stopping_ = false;
  std::vector<std::exception_ptr> failures_;  ///< by member
  std::vector<std::thread> threads_;
};

}  // namespace resnet

#endif
