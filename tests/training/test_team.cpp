#include <atomic>
#include <stdexcept>

#include <gtest/gtest.h>

#include "training/team.h"

namespace resnet {
namespace {

TEST(Team, EveryPartIsDoneOnceInEveryRound) {
  for (const std::size_t size : {1U, 2U, 5U}) {
    std::atomic<int> started{0};
    Team team(size, [&] { ++started; });
    EXPECT_EQ(team.size(), size);
    for (const std::size_t count : {0U, 1U, 3U, 17U}) {
      std::vector<std::atomic<int>> done(count);
      team.run(count, [&](std::size_t part) { ++done.at(part); });
      for (std::size_t part = 0; part < count; ++part) EXPECT_EQ(done[part], 1) << size << ": " << part;
    }
    EXPECT_EQ(started, static_cast<int>(size) - 1);
  }
}

TEST(Team, PartsRunInThreadsOfTheirOwn) {
  Team team(2, [] {});
  std::vector<std::thread::id> threads(4);
  team.run(4, [&](std::size_t part) { threads[part] = std::this_thread::get_id(); });
  EXPECT_EQ(threads[0], std::this_thread::get_id());
  EXPECT_NE(threads[1], threads[0]);
  EXPECT_EQ(threads[2], threads[0]);
  EXPECT_EQ(threads[3], threads[1]);
}

TEST(Team, WhatAPartThrowsReachesTheCallerAndTheTeamGoesOn) {
  Team team(3, [] {});
  for (const std::size_t bad : {0U, 1U, 2U}) {
    const auto work = [&](std::size_t part) {
      if (part == bad) throw std::runtime_error("broken");
    };
    EXPECT_THROW(team.run(3, work), std::runtime_error);
  }
  std::atomic<int> done{0};
  team.run(3, [&](std::size_t) { ++done; });
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace resnet
