#include <gtest/gtest.h>

#include "training/time_plan.h"

namespace resnet {
namespace {

Recipe growing() {
  Recipe recipe;
  recipe.first_size = 64;
  recipe.last_size = 128;
  recipe.epochs = 40;
  return recipe;
}

const Costs costs{{64, 0.001}, {128, 0.004}, 1000, 1.0, 0};

TEST(TimePlan, APicturesTimeGrowsWithItsArea) {
  const Recipe recipe = growing();
  EXPECT_DOUBLE_EQ(epoch_seconds(recipe, costs, 0), 1000 * 0.001 + 1);
  EXPECT_DOUBLE_EQ(epoch_seconds(recipe, costs, 39), 1000 * 0.004 + 1);
  for (int epoch = 0; epoch < 39; ++epoch) {
    const double side = training_size(recipe, epoch);
    EXPECT_NEAR(epoch_seconds(recipe, costs, epoch), 1000 * 0.001 * side * side / 4096 + 1, 1e-9);
  }
}

TEST(TimePlan, OneMoreEpochWouldNotFit) {
  for (const double seconds : {20.0, 100.0, 1234.5}) {
    for (const int done : {0, 2}) {
      Recipe recipe = growing();
      recipe.epochs = epochs_that_fit(recipe, costs, done, seconds);
      const auto rest = [&] {
        double sum = 0;
        for (int epoch = done; epoch < recipe.epochs; ++epoch) sum += epoch_seconds(recipe, costs, epoch);
        return sum;
      };
      EXPECT_GT(recipe.epochs, done + 1);
      EXPECT_LE(rest(), seconds);
      ++recipe.epochs;
      EXPECT_GT(rest(), seconds);
    }
  }
  EXPECT_EQ(epochs_that_fit(growing(), costs, 7, 0.5), 7);
  EXPECT_EQ(epochs_that_fit(growing(), costs, 0, 0.5), 1);
}

TEST(TimePlan, CostsComeHalfwayToWhatWasMeasured) {
  const Costs slower = corrected(costs, 64, 2.0);  // 1 was foreseen
  EXPECT_DOUBLE_EQ(slower.small.picture_seconds, 0.0015);
  EXPECT_DOUBLE_EQ(slower.large.picture_seconds, 0.006);
  EXPECT_DOUBLE_EQ(slower.val_seconds, 1.5);
}

}  // namespace
}  // namespace resnet
