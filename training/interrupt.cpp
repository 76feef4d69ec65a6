#include "training/interrupt.h"

#include <atomic>
#include <csignal>

#include <unistd.h>

namespace resnet {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "used in a signal handler");

void on_signal(int /*signal*/) {
  if (stop_requested.exchange(true)) {
    _exit(kInterruptedExitCode);
  }
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

bool interrupted() { return stop_requested.load(); }

}  // namespace resnet
