#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "model/error.h"
#include "training/calibration.h"
#include "training/random.h"

namespace resnet {
namespace {

/// Magnitudes that get ever rarer, and one far from all others.
std::vector<float> long_tail() {
  Random random(1, 2, 3);
  std::vector<float> values(100'000);
  for (float& value : values) value = static_cast<float>(-std::log(1 - random.uniform()));
  values[0] = 1000;
  return values;
}

double squared_error(const std::vector<float>& values, double clip, int levels) {
  const double step = clip / levels;
  double sum = 0;
  for (const double value : values) {
    const double error = value - std::min<double>(levels, std::round(value / step)) * step;
    sum += error * error;
  }
  return sum;
}

TEST(Histogram, EqualValuesAreCovered) {
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), 1.0F);
  Histogram histogram;
  histogram.add(values);
  EXPECT_EQ(histogram.largest(), 1000);
  EXPECT_NEAR(histogram.percentile(0.5), 500, 1);
  EXPECT_NEAR(histogram.percentile(1), 1000, 1);
  EXPECT_GE(histogram.least_squares_clip(255), 980);
}

TEST(Histogram, GrowsWithoutLosingWhatItHas) {
  const std::vector<float> small{0.25F, -0.5F, 0, 0}, large{-70.0F};
  Histogram histogram;
  histogram.add({small.data() + 2, 2});
  EXPECT_EQ(histogram.percentile(0.9), 0);
  histogram.add(small);
  histogram.add(large);
  EXPECT_EQ(histogram.largest(), 70);
  EXPECT_EQ(histogram.percentile(0.5), 0);  // four of seven are 0
  EXPECT_NEAR(histogram.percentile(0.7), 0.25, 0.01);
  EXPECT_NEAR(histogram.percentile(0.85), 0.5, 0.01);
  EXPECT_NEAR(histogram.percentile(1), 70, 0.01);
}

TEST(Histogram, TheLeastSquaresClipIsNearlyTheBest) {
  std::vector<float> values = long_tail();
  values[0] = 25;
  for (const int levels : {127, 255}) {
    Histogram histogram;
    histogram.add(values);
    double least = HUGE_VAL;
    for (int tenths = 10; tenths <= 250; ++tenths)
      least = std::min(least, squared_error(values, tenths / 10.0, levels));
    EXPECT_LE(squared_error(values, histogram.least_squares_clip(levels), levels), 1.05 * least);
    EXPECT_LE(1.1 * least, squared_error(values, histogram.largest(), levels));
  }
}

TEST(Histogram, APercentileLeavesOneFarValueOut) {
  Histogram histogram;
  histogram.add(long_tail());
  EXPECT_EQ(histogram.largest(), 1000);
  EXPECT_NEAR(histogram.percentile(0.9999), -std::log(0.0001), 1.5);
}

TEST(Histogram, WhatIsNotFiniteIsAnError) {
  for (const float value : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    Histogram histogram;
    EXPECT_THROW(histogram.add(std::vector<float>{1, value, 2}), Error);
  }
}

}  // namespace
}  // namespace resnet
