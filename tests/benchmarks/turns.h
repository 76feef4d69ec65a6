#ifndef RESNET_TESTS_BENCHMARKS_TURNS_H
#define RESNET_TESTS_BENCHMARKS_TURNS_H

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

/// How the programs that pipelines/benchmark.sh compares take turns on the same cores: a process says in a
/// line of JSON what it is, or {"error": why}, then waits. For each line "go SECONDS" on its stdin it works
/// for so long and answers with a line of JSON that holds the rate. It idles between turns.
namespace resnet {

using BenchmarkClock = std::chrono::steady_clock;

inline double seconds_since(BenchmarkClock::time_point start) {
  return std::chrono::duration<double>(BenchmarkClock::now() - start).count();
}

inline void say(const nlohmann::json& line) { std::cout << line.dump() << '\n' << std::flush; }

struct Repeated {
  std::int64_t times = 0;
  double seconds = 0;
};

/// Repeats the work for so many seconds, at least once; before that for a fifth of a second that is not
/// counted: others have had the caches since the last turn.
inline Repeated repeat(double seconds, const std::function<void()>& work) {
  auto start = BenchmarkClock::now();
  do work();
  while (seconds_since(start) < 0.2);
  start = BenchmarkClock::now();
  Repeated result;
  do {
    work();
    ++result.times;
    result.seconds = seconds_since(start);
  } while (result.seconds < seconds);
  return result;
}

/// Serves turns until stdin ends. `prepare` returns what a turn does: SECONDS → the answer; it may say things
/// about itself in `description`. @return the process's exit status
using Turn = std::function<nlohmann::json(double seconds)>;
inline int take_turns(const std::function<Turn(nlohmann::json& description)>& prepare) {
  try {
    nlohmann::json description = nlohmann::json::object();
    const Turn turn = prepare(description);
    say(description);
    for (std::string word; std::cin >> word;) {
      double seconds = 0;
      if (word != "go" || !(std::cin >> seconds))
        throw std::runtime_error("expected \"go SECONDS\", found \"" + word + "\"");
      say(turn(seconds));
    }
    return 0;
  } catch (const std::exception& error) {
    const std::string what = error.what();
    // LibTorch's messages carry a stack trace behind the first line.
    say({{"error", what.substr(0, what.find('\n'))}});
    return 1;
  }
}

}  // namespace resnet

#endif
