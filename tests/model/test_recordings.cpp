#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "model/recordings.h"

namespace resnet {
namespace {

TEST(Recordings, ABatchRunsOnOneOfItsSizeOrLittleLarger) {
  for (int n = 1; n <= 8; ++n) EXPECT_EQ(recorded_size(n), n);
  for (int n = 9; n <= 256; ++n) {
    const int size = recorded_size(n);
    EXPECT_EQ(size % 8, 0) << n;
    EXPECT_GE(size, n);
    EXPECT_LT(size, n + 8);
  }
}

TEST(Recordings, EachSizeIsRecordedOnceWhenItIsMet) {
  std::vector<int> recorded;
  const auto record = [&](int size) {
    recorded.push_back(size);
    return std::make_unique<int>(size);
  };
  Recordings<int> recordings(record, [](const std::string& reason) { ADD_FAILURE() << reason; });
  for (const int n : {8, 3, 8, 3, 12, 16, 9, 1}) EXPECT_EQ(*recordings.find(n), recorded_size(n));
  EXPECT_EQ(recorded, (std::vector<int>{8, 3, 16, 1}));
}

TEST(Recordings, WhatCannotBeRecordedIsSaidOnceAndNotTriedAgain) {
  int tries = 0;
  std::vector<std::string> said;
  const auto record = [&](int size) {
    if (++tries == 2) throw std::runtime_error("out of memory");
    return std::make_unique<int>(size);
  };
  Recordings<int> recordings(record, [&](const std::string& reason) { said.push_back(reason); });
  EXPECT_NE(recordings.find(1), nullptr);
  for (int n = 1; n < 5; ++n) EXPECT_EQ(recordings.find(5 - n), nullptr);
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(said, std::vector<std::string>{"out of memory"});
}

}  // namespace
}  // namespace resnet
