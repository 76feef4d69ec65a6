#include "training/interrupt.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <ctime>

#include <unistd.h>

namespace resnet {
namespace {

/// Seconds of the monotonic clock when it was first asked for; 0: not yet.
std::atomic<long> stop_requested{0};
static_assert(std::atomic<long>::is_always_lock_free, "used in a signal handler");

void on_signal(int /*signal*/) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  long first = 0;
  if (stop_requested.compare_exchange_strong(first, std::max(1L, static_cast<long>(now.tv_sec)))) return;
  // A launcher passes on the same Ctrl-C that the terminal has sent to all.
  if (now.tv_sec - first >= 2) _exit(kInterruptedExitCode);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return stop_requested.load() != 0; }

}  // namespace resnet
