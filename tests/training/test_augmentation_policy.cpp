#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include <gtest/gtest.h>

#include "model/error.h"
#include "tests/training/python_lines.h"
#include "training/augmentation_policy.h"

namespace resnet {
namespace {

TEST(AugmentationPolicy, HasNames) {
  EXPECT_EQ(augmentation_policy("none"), AugmentationPolicy::none);
  EXPECT_EQ(augmentation_policy("trivial"), AugmentationPolicy::trivial);
  EXPECT_EQ(augmentation_policy("rand"), AugmentationPolicy::rand);
  EXPECT_THROW(augmentation_policy("randaugment"), Error);
}

TEST(AugmentationPolicy, TrivialChoosesEveryOperationMagnitudeAndSignEvenly) {
  Random random(5, 0, 0);
  std::map<Operation, int> operations;
  std::map<double, int> angles;
  constexpr int kDraws = 200'000;
  for (int i = 0; i < kDraws; ++i) {
    const OperationChoice choice = choose_trivial(random);
    ++operations[choice.operation];
    if (choice.operation == Operation::rotate) ++angles[choice.magnitude];
  }
  ASSERT_EQ(operations.size(), kOperations);
  for (const auto& [operation, count] : operations) {
    EXPECT_NEAR(count, kDraws / 14.0, 600) << static_cast<int>(operation);  // five standard deviations
  }
  ASSERT_EQ(angles.size(), 61U);
  for (const auto& [angle, count] : angles) {
    EXPECT_NEAR(count, kDraws / 14.0 / (angle == 0 ? 31 : 62), angle == 0 ? 110 : 80) << angle;
  }
}

TEST(AugmentationPolicy, MagnitudesAreTorchvisions) {
  if (std::getenv("RESNET_PYTHON") == nullptr)
    GTEST_SKIP() << "RESNET_PYTHON names no Python with torchvision";
  std::map<std::pair<std::string, int>, std::set<float>> expected;
  for (const std::string& line : python_lines("torchvision_operations.py", "magnitudes 100 80")) {
    std::istringstream words(line);
    std::string policy;
    int operation = 0;
    int index = 0;
    float magnitude = 0;
    bool either_sign = false;
    words >> policy >> operation >> index >> magnitude >> either_sign;
    auto& set = expected[{policy, operation}];
    set.insert(magnitude);
    if (either_sign) set.insert(-magnitude);
  }
  std::map<std::pair<std::string, int>, std::set<float>> drawn;
  Random random(5, 0, 0);
  for (int i = 0; i < 50'000; ++i) {
    const OperationChoice trivial = choose_trivial(random);
    drawn[{"trivial", static_cast<int>(trivial.operation)}].insert(static_cast<float>(trivial.magnitude));
    const OperationChoice rand = choose_rand(100, 80, i % 31, random);
    drawn[{"rand", static_cast<int>(rand.operation)}].insert(static_cast<float>(rand.magnitude));
  }
  ASSERT_EQ(drawn.size(), 2 * kOperations);
  for (const auto& [key, magnitudes] : expected) {
    ASSERT_EQ(drawn[key].size(), magnitudes.size()) << key.first << ' ' << key.second;
    auto ours = drawn[key].begin();
    for (const float magnitude : magnitudes) {
      EXPECT_FLOAT_EQ(*ours++, magnitude) << key.first << ' ' << key.second;
    }
  }
}

TEST(AugmentationPolicy, RandAppliesTwoOperations) {
  RgbPicture picture{8, 8, std::vector<std::uint8_t>(192, 100)};
  picture.pixels[0] = 7;
  std::vector<std::uint8_t> scratch;
  int differ = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    RgbPicture by_policy = picture;
    Random random(1, 2, i);
    apply_policy(by_policy, AugmentationPolicy::rand, random, scratch);
    RgbPicture by_hand = picture;
    Random again(1, 2, i);
    for (int k = 0; k < 2; ++k) {
      const OperationChoice choice = choose_rand(8, 8, 9, again);
      apply_operation(by_hand, choice.operation, choice.magnitude, scratch);
    }
    ASSERT_EQ(by_policy.pixels, by_hand.pixels);
    differ += by_policy.pixels != picture.pixels ? 1 : 0;
  }
  EXPECT_GT(differ, 50);
}

}  // namespace
}  // namespace resnet
