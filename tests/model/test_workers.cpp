// The threads of the CPU executor: what runs when, and who does it.
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "model/cpu/workers.h"

namespace resnet::cpu {
namespace {

TEST(Workers, DoEachUnitOfEachStageOnceAndStagesInOrder) {
  // Stages of none, of fewer units than threads, and of many.
  const std::vector<int> units{5, 1, 0, 64, 2, 1};
  for (const int threads : {1, 2, 3, 7}) {
    Workers workers(threads);
    ASSERT_EQ(workers.size(), threads);
    for (int run = 0; run < 200; ++run) {
      std::vector<std::vector<std::atomic<int>>> done(units.size());
      for (std::size_t stage = 0; stage < units.size(); ++stage)
        done[stage] = std::vector<std::atomic<int>>(static_cast<std::size_t>(units[stage]));
      std::atomic<int> count{0}, early{0};
      workers.run(units, [&](int stage, int unit, int member) {
        int before = 0;
        for (int i = 0; i < stage; ++i) before += units[static_cast<std::size_t>(i)];
        if (count.load() < before || member < 0 || member >= threads) ++early;
        ++done.at(static_cast<std::size_t>(stage)).at(static_cast<std::size_t>(unit));
        ++count;
      });
      ASSERT_EQ(early, 0) << threads << " threads";
      for (const auto& stage : done) {
        for (const std::atomic<int>& times : stage) ASSERT_EQ(times, 1) << threads << " threads";
      }
    }
  }
}

// Who is awake still, about to sleep, or asleep.
TEST(Workers, AllTakePartInRoundsThatFollowAtOnceOrLater) {
  Workers workers(3);
  std::barrier all(3);
  int done = 0;
  for (; done < 90; ++done) {
    std::this_thread::sleep_for(std::chrono::microseconds(done % 3 * 200));
    workers.run({3}, [&](int /*stage*/, int /*unit*/, int /*member*/) { all.arrive_and_wait(); });
  }
  EXPECT_EQ(done, 90);
}

TEST(Workers, ComeToEachStageWithWhatIsToBeDoneMeanwhile) {
  for (const int threads : {1, 3}) {
    std::atomic<int> calls{0};
    Workers workers(threads);
    workers.set_meanwhile([&] { ++calls; });
    int before = 0;
    workers.run({threads, 1, threads}, [&](int stage, int /*unit*/, int /*member*/) {
      if (stage == 1) before = calls;
      if (stage == 2) {
        EXPECT_GT(calls, before) << "though nobody may have waited";
      }
    });
  }
}

TEST(Workers, WhoWaitsHasTimeUntilTheOthersAreDone) {
  std::atomic<bool> late{false}, spent{false};
  Workers workers(2);
  workers.set_meanwhile([&] {
    if (late) spent = true;
  });
  for (int run = 0; run < 20; ++run) {
    late = spent = false;
    std::atomic<int> begun{0};
    workers.run({2, 2}, [&](int stage, int /*unit*/, int member) {
      if (stage == 1) return;
      ++begun;
      while (begun < 2) std::this_thread::yield();  // each has one
      if (member != run % 2) return;
      late = true;
      while (!spent) std::this_thread::yield();
    });
    EXPECT_TRUE(spent);
  }
}

TEST(Workers, WhoWaitsForTheNextRoundHasTimeToo) {
  std::atomic<bool> between{false}, spent{false};
  Workers workers(2);
  workers.set_meanwhile([&] {
    if (between) spent = true;
  });
  // Where the system keeps the other thread from running for so long, it does not see this one's end.
  for (int run = 0; run < 10000 && !spent; ++run) {
    workers.run({1}, [](int /*stage*/, int /*unit*/, int /*member*/) {});
    between = true;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    between = false;
  }
  EXPECT_TRUE(spent);
}

// What a member made in the stage before is in its caches.
TEST(Workers, EachBeginsWithTheSamePartOfEachStage) {
  Workers workers(3);
  std::barrier all(3);
  std::array<std::atomic<int>, 9> who{};
  for (int run = 0; run < 20; ++run) {
    workers.run({3, 9, 3}, [&](int stage, int unit, int member) {
      // The first and the last stage wait until each member has a unit, the one between is then divided.
      if (stage != 1) {
        all.arrive_and_wait();
        EXPECT_EQ(unit, member);
      } else if (unit % 3 == 0) {
        all.arrive_and_wait();
        who.at(static_cast<std::size_t>(unit)) = member;
      }
    });
    for (const int unit : {0, 3, 6}) EXPECT_EQ(who.at(static_cast<std::size_t>(unit)), unit / 3);
  }
}

TEST(Workers, TakeOverWhatAnotherHasNotBegun) {
  Workers workers(2);
  std::atomic<int> done{0};
  workers.run({8}, [&](int /*stage*/, int /*unit*/, int /*member*/) {
    // Whoever is first waits for all the others, of which half belong to it and half do not.
    if (done.fetch_add(1) == 0) {
      while (done.load() < 8) std::this_thread::yield();
    }
  });
  EXPECT_EQ(done, 8);
}

}  // namespace
}  // namespace resnet::cpu
