#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "model/error.h"
#include "model/model_info.h"
#include "training/confidence.h"

namespace resnet {
namespace {

using Predictions = std::vector<Prediction>;

/// Predictions of a network whose logits are `temperature` times those by which the labels were drawn.
Predictions drawn(double temperature, int count, std::size_t classes = 5) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::normal_distribution<float> normal(0, 2);
  Predictions predictions;
  for (int i = 0; i < count; ++i) {
    std::vector<float> logits(classes);
    std::vector<double> weights;
    for (float& logit : logits) {
      logit = normal(random);
      weights.push_back(std::exp(static_cast<double>(logit)));
      logit *= static_cast<float>(temperature);
    }
    const std::size_t label = std::discrete_distribution<std::size_t>(weights.begin(), weights.end())(random);
    predictions.push_back({"", label, logits});
  }
  return predictions;
}

/// Of two classes, with that probability of the first.
Prediction of_two(double probability, std::size_t label) {
  return {"", label, {static_cast<float>(std::log(probability / (1 - probability))), 0}};
}

TEST(Confidence, FindsTheTemperatureThatTheLogitsWereMultipliedBy) {
  for (const double temperature : {0.2, 0.7, 1.0, 3.0, 20.0}) {
    EXPECT_NEAR(fit_temperature(drawn(temperature, 3000)) / temperature, 1, 0.06) << temperature;
  }
}

TEST(Confidence, NoOtherTemperatureIsLikelier) {
  const Predictions predictions = drawn(2.5, 1000);
  const double fitted = fit_temperature(predictions);
  const auto loss = [&](double temperature) {
    return measure_reliability(predictions, temperature).negative_log_likelihood();
  };
  for (const double factor : {0.1, 0.5, 0.95, 1.05, 2.0, 10.0})
    EXPECT_LT(loss(fitted), loss(fitted * factor));
}

TEST(Confidence, CalibratedProbabilitiesMeanWhatTheySay) {
  const Predictions predictions = drawn(3, 4000);
  EXPECT_GT(measure_reliability(predictions, 1).expected_calibration_error(), 0.1);
  const ConfidenceFit fit = fit_confidence(predictions);
  EXPECT_LT(fit.reliability.expected_calibration_error(), 0.03);
  for (const ReliabilityBin& bin : fit.reliability.bins()) {
    if (bin.count < 100) continue;
    EXPECT_NEAR(bin.confidence, bin.accuracy, 0.1);
  }
}

TEST(Confidence, FewPicturesOrNoMistakesGiveNoCertainty) {
  const Predictions three(3, of_two(0.9999, 0));
  const auto confidence = [](const Predictions& predictions) {  // the same of all, which are right
    return std::exp(-fit_confidence(predictions).reliability.negative_log_likelihood());
  };
  EXPECT_NEAR(confidence(three), 1 - 1.0 / 8, 1e-3);  // the one unknown picture is of the other class by half
  const Predictions many(999, of_two(0.9, 0));
  EXPECT_NEAR(confidence(many), 1 - 1.0 / 2000, 1e-5);
  EXPECT_GT(fit_temperature(many), 0.1);
  const double temperature = fit_temperature(Predictions{of_two(0.7, 0)});
  EXPECT_GT(temperature, 0.3);
  EXPECT_LT(temperature, 3);
}

TEST(Confidence, TheTemperatureStaysWithinItsLimits) {
  EXPECT_EQ(fit_temperature({}), 1);
  EXPECT_EQ(fit_temperature(Predictions{{"", 1, {2, 2, 2}}}), 1);
  EXPECT_EQ(fit_temperature(Predictions{{"", 0, {2}}}), 1) << "one class";
  EXPECT_EQ(fit_temperature(Predictions(50, of_two(0.9, 1))), max_temperature) << "always wrong";
  EXPECT_EQ(fit_temperature(Predictions(50, {"", 0, {1e-9F, 0}})), min_temperature);
  EXPECT_EQ(fit_temperature(Predictions(50, {"", 0, {-3e38F, 3e38F}})), max_temperature);
}

TEST(Confidence, LogitsThatAreNotFiniteAreAnError) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Predictions predictions{of_two(0.5, 0), {"", 0, {bad, 0}}};
    EXPECT_THROW(fit_temperature(predictions), Error);
    EXPECT_THROW(suggest_threshold(predictions, 1), Error);
    EXPECT_THROW(measure_reliability(predictions, 1), Error);
  }
}

TEST(Confidence, ExpectedCalibrationErrorIsTheWeightedGapOfTheBins) {
  Reliability reliability;
  const std::vector<float> sure{0.95F, 0.05F}, unsure{0.41F, 0.59F};
  for (int i = 0; i < 6; ++i) reliability.add(sure, i < 3 ? 0 : 1);
  for (int i = 0; i < 2; ++i) reliability.add(unsure, 1);
  const auto bins = reliability.bins();
  EXPECT_EQ(bins[14].count, 6U);
  EXPECT_NEAR(bins[14].confidence, 0.95, 1e-6);
  EXPECT_EQ(bins[14].accuracy, 0.5);
  EXPECT_EQ(bins[8].count, 2U) << "(8/15, 9/15]";
  EXPECT_EQ(bins[8].accuracy, 1);
  EXPECT_EQ(bins[0].count, 0U);
  EXPECT_NEAR(reliability.expected_calibration_error(), 0.75 * 0.45 + 0.25 * 0.41, 1e-6);
  EXPECT_NEAR(reliability.negative_log_likelihood(),
              -(3 * std::log(0.95) + 3 * std::log(0.05) + 2 * std::log(0.59)) / 8, 1e-6);
}

TEST(Confidence, CertainProbabilitiesAreCountedToo) {
  Reliability reliability;
  EXPECT_EQ(reliability.expected_calibration_error(), 0);
  EXPECT_EQ(reliability.negative_log_likelihood(), 0);
  reliability.add(std::vector<float>{1, 0}, 1);
  EXPECT_EQ(reliability.bins()[14].count, 1U);
  EXPECT_EQ(reliability.expected_calibration_error(), 1);
  EXPECT_NEAR(reliability.negative_log_likelihood(), 87.3, 0.1) << "finite";
}

TEST(Confidence, JsonHasTheBinsOfAReliabilityDiagram) {
  Reliability reliability;
  reliability.add(std::vector<float>{0.75F, 0.25F}, 0);
  const nlohmann::json document = to_json(reliability);
  EXPECT_DOUBLE_EQ(document["ece"].get<double>(), 0.25);
  EXPECT_NEAR(document["nll"].get<double>(), -std::log(0.75), 1e-6);
  ASSERT_EQ(document["bins"].size(), 15U);
  EXPECT_EQ(document["bins"][0]["from"], 0.0);
  EXPECT_EQ(document["bins"][14]["to"], 1.0);
  EXPECT_EQ(document["bins"][11]["count"], 1);
  EXPECT_EQ(document["bins"][11]["confidence"], 0.75);
  EXPECT_EQ(document["bins"][11]["accuracy"], 1.0);
}

TEST(Confidence, TheThresholdKeepsNineteenOfTwentyRightAnswers) {
  // 40 right answers of 0.505, 0.515, … 0.895, and 20 wrong ones of 0.55.
  Predictions predictions;
  for (int i = 0; i < 40; ++i) predictions.push_back(of_two(0.505 + 0.01 * i, 0));
  for (int i = 0; i < 20; ++i) predictions.push_back(of_two(0.55, 1));
  const auto threshold = suggest_threshold(predictions, 1);
  ASSERT_TRUE(threshold);
  EXPECT_NEAR(threshold->probability, 0.525, 1.1e-3);
  EXPECT_LE(threshold->probability, 0.525) << "rounded down, or it would cut what it shall keep";
  EXPECT_DOUBLE_EQ(threshold->right_named, 38.0 / 40);
  EXPECT_DOUBLE_EQ(threshold->coverage, 58.0 / 60);
  EXPECT_DOUBLE_EQ(threshold->accuracy, 38.0 / 58);
}

TEST(Confidence, TheThresholdIsAtMostHalfWayFromChance) {
  EXPECT_EQ(suggest_threshold(Predictions(30, of_two(0.99, 0)), 1)->probability, 0.75);
  EXPECT_EQ(suggest_threshold(Predictions(30, {"", 0, {9, 0, 0, 0, 0}}), 1)->probability, 0.6);
  EXPECT_EQ(suggest_threshold(Predictions(30, {"", 0, {9, 0, 0, 0, 0}}), 100)->coverage, 1)
      << "also where no answer is sure";
}

TEST(Confidence, OfFewRightAnswersTheThresholdKeepsAll) {
  Predictions predictions;
  for (int i = 0; i < 19; ++i) predictions.push_back(of_two(0.51 + 0.01 * i, 0));
  EXPECT_EQ(suggest_threshold(predictions, 1)->right_named, 1);
  EXPECT_FALSE(suggest_threshold(Predictions(9, of_two(0.9, 1)), 1)) << "nothing is right";
  EXPECT_FALSE(suggest_threshold({}, 1));
}

}  // namespace
}  // namespace resnet
