// bench-distance: nanoseconds that a cache line takes from one core to another, the greatest among the first
// cores that this process may use. Cores of one complex share a cache; a virtual machine's may be of one now
// and of two a minute later, which other programs' speeds depend on. In turns as turns.h says them.
//
//   echo go 0.1 | bench-distance --threads 2
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <sched.h>

#include "tests/benchmarks/turns.h"

namespace resnet {
namespace {

constexpr int rounds = 1000;

std::vector<int> usable_cores(std::size_t most) {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0)
    throw std::runtime_error("the system tells no cores");
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE && cores.size() < most; ++core) {
    if (CPU_ISSET(core, &usable)) cores.push_back(core);
  }
  if (cores.size() < 2) throw std::runtime_error("one core is nowhere else");
  return cores;
}

void stay_on(int core) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(core, &only);
  sched_setaffinity(0, sizeof only, &only);
}

double nanoseconds_between(int here, int there, double seconds) {
  enum : int { idle, asked, over };
  alignas(64) std::atomic<int> line{idle};
  Repeated done;
  std::thread answers([&] {
    stay_on(there);
    for (int now = line.load(); now != over; now = line.load()) {
      if (now == asked) line.store(idle);
    }
  });
  std::thread asks([&] {
    stay_on(here);
    done = repeat(seconds, [&] {
      for (int i = 0; i < rounds; ++i) {
        line.store(asked);
        while (line.load() != idle) {
        }
      }
    });
    line.store(over);
  });
  asks.join();
  answers.join();
  return done.seconds / static_cast<double>(done.times) / rounds / 2 * 1e9;
}

Turn prepare(std::size_t threads, nlohmann::json& description) {
  const std::vector<int> cores = usable_cores(threads);
  description["description"] = std::to_string(cores.size()) + " cores";
  return [cores](double seconds) {
    double most = 0;
    for (std::size_t i = 1; i < cores.size(); ++i)
      most = std::max(most,
                      nanoseconds_between(cores[0], cores[i], seconds / static_cast<double>(cores.size())));
    return nlohmann::json{{"ns", most}};
  };
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  std::size_t threads = 2;
  CLI::App app("Nanoseconds from core to core; reads lines \"go SECONDS\"", "bench-distance");
  app.add_option("--threads", threads, "Cores")->check(CLI::Range(2, 1024));
  CLI11_PARSE(app, argc, argv);
  return resnet::take_turns(
      [&](nlohmann::json& description) { return resnet::prepare(threads, description); });
}
