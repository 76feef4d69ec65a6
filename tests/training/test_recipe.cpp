#include <gtest/gtest.h>

#include "model/error.h"
#include "training/progress.h"
#include "training/recipe.h"

namespace resnet {
namespace {

TEST(Recipe, ClassicIsThePublishedOne) {
  const Recipe recipe = preset("classic", 224);
  EXPECT_EQ(recipe.optimizer, "adam");
  EXPECT_DOUBLE_EQ(recipe.lr, 1e-4);
  EXPECT_EQ(recipe.batch_size, 128);
  EXPECT_EQ(recipe.epochs, 30);
  EXPECT_EQ(recipe.seed, 3U);
  EXPECT_DOUBLE_EQ(recipe.min_scale, 0.08);
  EXPECT_DOUBLE_EQ(learning_rate(recipe, 29.9), 1e-4);
  EXPECT_EQ(training_size(recipe, 0), 224);
}

TEST(Recipe, WarmUpRisesAndCosineFalls) {
  Recipe recipe = preset("scratch", 128);
  recipe.epochs = 22;
  recipe.warmup_epochs = 2;
  EXPECT_DOUBLE_EQ(learning_rate(recipe, 0), 0);
  EXPECT_DOUBLE_EQ(learning_rate(recipe, 1), recipe.lr / 2);
  EXPECT_DOUBLE_EQ(learning_rate(recipe, 2), recipe.lr);
  EXPECT_NEAR(learning_rate(recipe, 12), recipe.lr / 2, 1e-12);
  EXPECT_NEAR(learning_rate(recipe, 22), 0, 1e-12);
}

TEST(Recipe, TrainingCropsGrow) {
  Recipe recipe = preset("scratch", 128);
  recipe.epochs = 20;
  int before = 64;
  for (int epoch = 0; epoch < recipe.epochs; ++epoch) {
    const int size = training_size(recipe, epoch);
    EXPECT_GE(size, before);
    EXPECT_LE(size, before + 16);
    before = size;
  }
  EXPECT_EQ(training_size(recipe, 0), 64);
  EXPECT_EQ(training_size(recipe, 15), 96);
  EXPECT_EQ(training_size(recipe, 16), 112);  // the last fifth
  EXPECT_EQ(training_size(recipe, 19), 112);
  recipe.last_size = 0;
  EXPECT_EQ(training_size(recipe, 19), 128);
  recipe.first_size = 0;
  EXPECT_EQ(training_size(recipe, 0), 128);
}

TEST(Recipe, AnUnknownPresetIsNamed) {
  try {
    preset("fancy", 224);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("fancy"), std::string::npos);
  }
}

TEST(Progress, TheBarShowsRateAndTimeLeft) {
  EXPECT_EQ(bar_text("train epoch[1/30] loss:1.234", 50, 200, 10),
            "train epoch[1/30] loss:1.234:  25%|#####               | 50/200 [00:10<00:30, 5.0 pictures/s]");
  EXPECT_EQ(bar_text("valid epoch[1/30]", 0, 0, 0),
            "valid epoch[1/30]: 100%|####################| 0/0 [00:00<?, 0.0 pictures/s]");
}

}  // namespace
}  // namespace resnet
