#include <map>
#include <set>

#include <gtest/gtest.h>

#include "training/class_balance.h"

namespace resnet {
namespace {

/// 10 pictures of class 0, 3 of class 1, 1 of class 2.
std::vector<Sample> unbalanced() {
  std::vector<Sample> samples;
  for (const auto& [label, count] : {std::pair{0, 10}, {1, 3}, {2, 1}}) {
    for (int i = 0; i < count; ++i)
      samples.push_back({std::to_string(label) + "/" + std::to_string(i), label});
  }
  return samples;
}

TEST(ClassBalance, WeightsMakeEachClassCountTheSame) {
  const std::vector<float> weights = balanced_weights(unbalanced(), 4);
  EXPECT_FLOAT_EQ(weights[0] * 10, 14.0F / 4);
  EXPECT_FLOAT_EQ(weights[1] * 3, 14.0F / 4);
  EXPECT_FLOAT_EQ(weights[2] * 1, 14.0F / 4);
  EXPECT_EQ(weights[3], 0);
}

TEST(ClassBalance, AShuffledEpochShowsEachPictureOnce) {
  Random random(1, 2, 3);
  const std::vector<std::size_t> order = shuffled_order(unbalanced(), random);
  const std::set<std::size_t> seen(order.begin(), order.end());
  EXPECT_EQ(order.size(), 14U);
  EXPECT_EQ(seen.size(), 14U);
  EXPECT_EQ(*seen.rbegin(), 13U);
}

TEST(ClassBalance, ABalancedEpochShowsEachClassAsOften) {
  const std::vector<Sample> samples = unbalanced();
  Random random(1, 2, 3);
  const std::vector<std::size_t> order = balanced_order(samples, 3, random);
  EXPECT_EQ(order.size(), samples.size());
  EXPECT_EQ(std::set<std::size_t>(order.begin(), order.end()).size(), order.size()) << "a turn comes twice";
  std::map<int, int> turns;
  std::map<std::size_t, int> shown;
  for (const std::size_t turn : order) {
    ++turns[samples[turn % samples.size()].label];
    ++shown[turn % samples.size()];
  }
  for (const int label : {0, 1, 2}) EXPECT_NEAR(turns[label], 14.0 / 3, 1);
  // All three of class 1 before one of them comes again.
  for (std::size_t picture = 10; picture < 13; ++picture) EXPECT_GE(shown[picture], 1);
  for (std::size_t picture = 0; picture < 10; ++picture) EXPECT_LE(shown[picture], 1);
}

}  // namespace
}  // namespace resnet
