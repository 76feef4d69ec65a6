#include <gtest/gtest.h>

#include "plugin/result_tracker.h"

namespace resnet {
namespace {

TEST(ResultTracker, WithoutSmoothingTheLastResultCounts) {
  ResultTracker tracker;
  EXPECT_TRUE(tracker.empty());
  tracker.add({0.9f, 0.1f}, 0, {});
  tracker.add({0.4f, 0.6f}, 40, {});
  EXPECT_EQ(tracker.probabilities(), (std::vector<float>{0.4f, 0.6f}));
  EXPECT_EQ(tracker.leader(), 1u);
}

TEST(ResultTracker, SmoothingWeighsThePast) {
  ResultTracker tracker;
  tracker.add({1, 0}, 0, {0.75, 0});
  tracker.add({0.5f, 0.5f}, 40, {0.75, 0});
  EXPECT_FLOAT_EQ(tracker.probabilities()[0], 0.875f);
  EXPECT_FLOAT_EQ(tracker.probabilities()[1], 0.125f);
}

TEST(ResultTracker, OneOutlierDoesNotFlickerButANewSceneIsTakenOver) {
  ResultTracker tracker;
  const ResultTracker::Smoothing smoothing{0.8, 0};
  tracker.add({1, 0}, 0, smoothing);
  tracker.add({0, 1}, 40, smoothing);
  EXPECT_EQ(tracker.leader(), 0u) << "an outlier";
  tracker.add({1, 0}, 80, smoothing);
  EXPECT_EQ(tracker.leader(), 0u);
  ResultTracker scene;
  scene.add({1, 0}, 0, smoothing);
  scene.add({0, 1}, 40, {0.9, 0});
  scene.add({0, 1}, 80, {0.9, 0});
  EXPECT_EQ(scene.leader(), 1u) << "a new scene";
  EXPECT_FLOAT_EQ(scene.probabilities()[1], 1);
}

TEST(ResultTracker, HysteresisKeepsTheLeader) {
  ResultTracker tracker;
  const ResultTracker::Smoothing smoothing{0, 0.2};
  tracker.add({0.6f, 0.4f}, 0, smoothing);
  tracker.add({0.45f, 0.55f}, 40, smoothing);
  EXPECT_EQ(tracker.leader(), 0u);
  tracker.add({0.35f, 0.65f}, 80, smoothing);
  EXPECT_EQ(tracker.leader(), 1u);
}

TEST(ResultTracker, HysteresisKeepsAClassThatIsThere) {
  ResultTracker tracker;
  const ResultTracker::Smoothing smoothing{0, 0.2, 0.5};
  tracker.add({0.6f, 0.4f}, 0, smoothing);
  EXPECT_TRUE(tracker.is_there(0));
  EXPECT_FALSE(tracker.is_there(1));
  tracker.add({0.4f, 0.4f}, 40, smoothing);
  EXPECT_TRUE(tracker.is_there(0));
  EXPECT_FALSE(tracker.is_there(1)) << "it never was";
  tracker.add({0.2f, 0.4f}, 80, smoothing);
  EXPECT_FALSE(tracker.is_there(0));
}

TEST(ResultTracker, AnotherSceneOfAMultiLabelModelIsNotWhatIsHardlyThere) {
  ResultTracker tracker;
  const ResultTracker::Smoothing smoothing{0.9, 0};
  tracker.add({0.01f, 0.02f, 0.9f, 0.9f}, 0, smoothing);
  for (int i = 0; i < 2; ++i) tracker.add({0.02f, 0.01f, 0.8f, 0.9f}, 40, smoothing);
  EXPECT_GT(tracker.probabilities()[2], 0.85f) << "smoothed";
  for (int i = 0; i < 2; ++i) tracker.add({0.9f, 0.9f, 0.01f, 0.01f}, 80, smoothing);
  EXPECT_FLOAT_EQ(tracker.probabilities()[0], 0.9f) << "another scene";
}

TEST(ResultTracker, AResultWithoutClassesHasAnAge) {
  ResultTracker tracker;
  tracker.add({}, 100, {});
  EXPECT_FALSE(tracker.empty());
  EXPECT_EQ(tracker.age_at(140), 40u);
  EXPECT_TRUE(tracker.probabilities().empty());
}

TEST(ResultTracker, AgeIsTheTimeSinceTheLastResult) {
  ResultTracker tracker;
  tracker.add({1, 0}, 100, {});
  EXPECT_EQ(tracker.age_at(140), 40u);
  EXPECT_EQ(tracker.age_at(100), 0u);
  EXPECT_EQ(tracker.age_at(60), 40u) << "reverse playback";
  EXPECT_EQ(tracker.age_at(GST_CLOCK_TIME_NONE), 0u);
  tracker.reset();
  EXPECT_TRUE(tracker.empty());
  EXPECT_EQ(tracker.age_at(140), 0u);
}

TEST(ResultTracker, ModelsOfAnotherSizeStartAnew) {
  ResultTracker tracker;
  tracker.add({0, 0, 1}, 0, {0.9, 0.5});
  tracker.add({1, 0}, 40, {0.9, 0.5});
  EXPECT_EQ(tracker.probabilities(), (std::vector<float>{1, 0}));
  EXPECT_EQ(tracker.leader(), 0u);
}

}  // namespace
}  // namespace resnet
