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

TEST(Recipe, OneCycleRisesAndFalls) {
  Recipe recipe;
  recipe.lr = 0.1;
  recipe.epochs = 10;
  recipe.schedule = "one-cycle";
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.1, total_steps=1001) at steps 0, 150, 300, 650 and 1000.
  EXPECT_NEAR(learning_rate(recipe, 0), 0.004, 1e-9);
  EXPECT_NEAR(learning_rate(recipe, 1.5), 0.052, 1e-9);
  EXPECT_NEAR(learning_rate(recipe, 3), 0.1, 1e-9);
  EXPECT_NEAR(learning_rate(recipe, 6.5), 0.0500002, 1e-7);
  EXPECT_NEAR(learning_rate(recipe, 10), 4e-7, 1e-9);
}

TEST(Recipe, WhatWasWrittenIsReadAgain) {
  for (const std::string& name : preset_names()) {
    const nlohmann::json document = to_json(preset(name, 160));
    EXPECT_EQ(to_json(recipe_from_json(document, "a.json")), document);
  }
}

TEST(Recipe, ADocumentChangesAPreset) {
  const Recipe recipe = recipe_from_json(
      {{"preset", "scratch"}, {"image_size", 160}, {"lr", 1}, {"nesterov", false}}, "a.json");
  EXPECT_EQ(recipe.first_size, preset("scratch", 160).first_size);
  EXPECT_EQ(recipe.lr, 1);
  EXPECT_FALSE(recipe.nesterov);
  EXPECT_EQ(recipe.schedule, "cosine");
}

TEST(Recipe, WhatADocumentMustNotSayIsNamed) {
  const auto error_of = [](const nlohmann::json& document) -> std::string {
    try {
      recipe_from_json(document, "a.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of({{"learning", 1}}), "a.json: \"learning\" is no part of a recipe");
  EXPECT_EQ(error_of({{"epochs", 1.5}}),
            "a.json: \"epochs\" is 1.5, expected a whole number from 1 to 100000");
  EXPECT_EQ(error_of({{"epochs", -1}}), "a.json: \"epochs\" is -1, expected a whole number from 1 to 100000");
  EXPECT_EQ(error_of({{"lr", "fast"}}), "a.json: \"lr\" is \"fast\", expected a number from 0 to 1000");
  EXPECT_EQ(error_of({{"optimizer", "lion"}}),
            "a.json: \"optimizer\" is \"lion\", expected one of [\"adam\",\"adamw\",\"sgd\"]");
  EXPECT_EQ(error_of({{"nesterov", 1}}), "a.json: \"nesterov\" is 1, expected true or false");
  EXPECT_EQ(error_of(nlohmann::json::array()), "a.json: a recipe is a JSON object");
  EXPECT_NE(error_of({{"preset", "fancy"}}).find("fancy"), std::string::npos);
}

TEST(Progress, TheBarShowsRateAndTimeLeft) {
  EXPECT_EQ(bar_text("train epoch[1/30] loss:1.234", 50, 200, 10),
            "train epoch[1/30] loss:1.234:  25%|#####               | 50/200 [00:10<00:30, 5.0 pictures/s]");
  EXPECT_EQ(bar_text("valid epoch[1/30]", 0, 0, 0),
            "valid epoch[1/30]: 100%|####################| 0/0 [00:00<?, 0.0 pictures/s]");
}

}  // namespace
}  // namespace resnet
