#include <gtest/gtest.h>

#include "training/metrics.h"

namespace resnet {
namespace {

/// Three classes: 4 of 5, 2 of 4 and 0 of 1 right; nothing is taken for class 2.
ConfusionMatrix example() {
  ConfusionMatrix matrix(3);
  for (int i = 0; i < 4; ++i) matrix.add(0, 0);
  matrix.add(0, 1);
  matrix.add(1, 0);
  matrix.add(1, 0);
  matrix.add(1, 1);
  matrix.add(1, 1);
  matrix.add(2, 1);
  return matrix;
}

TEST(Metrics, ScoresPerClass) {
  const ConfusionMatrix matrix = example();
  EXPECT_DOUBLE_EQ(matrix.accuracy(), 0.6);
  const ClassScores first = matrix.scores(0);
  EXPECT_DOUBLE_EQ(first.precision, 4.0 / 6);
  EXPECT_DOUBLE_EQ(first.recall, 0.8);
  EXPECT_DOUBLE_EQ(first.f1, 2 * (4.0 / 6) * 0.8 / (4.0 / 6 + 0.8));
  EXPECT_EQ(first.support, 5U);
  EXPECT_DOUBLE_EQ(matrix.scores(1).precision, 0.5);
}

TEST(Metrics, AClassThatIsNeverPredictedScoresZero) {
  const ClassScores last = example().scores(2);
  EXPECT_EQ(last.precision, 0);
  EXPECT_EQ(last.recall, 0);
  EXPECT_EQ(last.f1, 0);
  EXPECT_EQ(last.support, 1U);
}

TEST(Metrics, NoPicturesIsNoAccuracy) { EXPECT_EQ(ConfusionMatrix(2).accuracy(), 0); }

TEST(Metrics, WilsonsIntervalStaysWithinZeroAndOne) {
  EXPECT_NEAR(wilson_interval(3, 4).low, 0.3006, 5e-5);
  EXPECT_NEAR(wilson_interval(3, 4).high, 0.9544, 5e-5);
  EXPECT_EQ(wilson_interval(0, 10).low, 0);
  EXPECT_NEAR(wilson_interval(0, 10).high, 0.2775, 5e-5);
  EXPECT_DOUBLE_EQ(wilson_interval(10, 10).high, 1);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(Metrics, JsonHasRowsByTrueClass) {
  const nlohmann::json document = evaluation_json(example(), {"a", "b", "c"});
  EXPECT_DOUBLE_EQ(document["accuracy"].get<double>(), 0.6);
  EXPECT_EQ(document["confusion_matrix"], (nlohmann::json{{4, 1, 0}, {2, 2, 0}, {0, 1, 0}}));
  EXPECT_EQ(document["classes"], (nlohmann::json{"a", "b", "c"}));
  EXPECT_EQ(document["per_class"][1]["class"], "b");
  EXPECT_EQ(document["per_class"][1]["support"], 4);
}

TEST(Metrics, TextKeepsControlCharactersOfNamesOut) {
  const std::string text = evaluation_text(ConfusionMatrix(2), {"a\x1b[31m", "中文"});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("中文"), std::string::npos);
}

}  // namespace
}  // namespace resnet
