#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "model/error.h"
#include "training/distributions.h"
#include "training/mix.h"

namespace resnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Mean and variance of many draws.
template <typename Draw>
std::array<double, 2> moments(const Draw& draw) {
  constexpr int kDraws = 100'000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = draw();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

TEST(Distributions, HaveTheirMeansAndVariances) {
  Random random(1, 2, 3);
  const auto [normal_mean, normal_variance] = moments([&] { return random_normal(random); });
  EXPECT_NEAR(normal_mean, 0, 0.015);
  EXPECT_NEAR(normal_variance, 1, 0.025);
  for (const double shape : {0.3, 1.0, 4.5}) {
    const auto [mean, variance] = moments([&] { return std::exp(random_log_gamma(shape, random)); });
    EXPECT_NEAR(mean, shape, 0.02 * std::max(1.0, shape)) << shape;
    EXPECT_NEAR(variance, shape, 0.05 * std::max(1.0, shape)) << shape;
  }
  using Shapes = std::pair<double, double>;
  for (const Shapes& shapes : {Shapes{0.2, 0.2}, {1.0, 1.0}, {0.4, 1.7}, {8.0, 8.0}, {0.001, 0.001}}) {
    const double a = shapes.first, b = shapes.second;
    const auto [mean, variance] = moments([&] { return random_beta(a, b, random); });
    EXPECT_NEAR(mean, a / (a + b), 0.008) << a << ' ' << b;
    EXPECT_NEAR(variance, a * b / ((a + b) * (a + b) * (a + b + 1)), 0.003) << a << ' ' << b;
  }
}

TEST(Distributions, BetaOfOneIsEven) {
  Random random(4, 5, 6);
  std::array<int, 10> bins{};
  for (int i = 0; i < 100'000; ++i) {
    ++bins[static_cast<std::size_t>(std::min(9.0, random_beta(1, 1, random) * 10))];
  }
  for (const int count : bins) EXPECT_NEAR(count, 10'000, 500);
}

TEST(Mix, DrawsAreTheSameForTheSameRandomNumbers) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    Random a(1, 2, i);
    Random b(1, 2, i);
    const BatchMix first = draw_mix(64, 0.2, 1, a);
    const BatchMix second = draw_mix(64, 0.2, 1, b);
    EXPECT_EQ(first.kind, second.kind);
    EXPECT_EQ(first.weight, second.weight);
    EXPECT_EQ(a.next(), b.next());
  }
}

TEST(Mix, AlphasChooseTheKind) {
  Random random(1, 2, 3);
  int mixups = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(draw_mix(64, 0, 0, random).kind, BatchMix::Kind::none);
    ASSERT_EQ(draw_mix(64, 0.2, 0, random).kind, BatchMix::Kind::mixup);
    ASSERT_EQ(draw_mix(64, 0, 1, random).kind, BatchMix::Kind::cutmix);
    mixups += draw_mix(64, 0.2, 1, random).kind == BatchMix::Kind::mixup ? 1 : 0;
  }
  EXPECT_NEAR(mixups, 500, 80);
}

TEST(Mix, CutmixBoxesStayInsideAndTheirAreaIsTheOthersWeight) {
  Random random(1, 2, 3);
  double smallest = 1;
  double largest = 0;
  double sum = 0;
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i) {
    const BatchMix mix = draw_cutmix(50, 1, random);
    ASSERT_GE(mix.box.left, 0);
    ASSERT_GE(mix.box.top, 0);
    ASSERT_LE(mix.box.left + mix.box.width, 50);
    ASSERT_LE(mix.box.top + mix.box.height, 50);
    ASSERT_DOUBLE_EQ(mix.weight, 1 - mix.box.width * mix.box.height / 2500.0);
    smallest = std::min(smallest, mix.weight);
    largest = std::max(largest, mix.weight);
    sum += mix.weight;
  }
  EXPECT_LT(smallest, 0.1);
  EXPECT_GT(largest, 0.99);
  // torchvision's v2.CutMix(alpha=1) gives this mean for 50×50: boxes lose what lies outside.
  EXPECT_NEAR(sum / kDraws, 0.694, 0.01);
}

TEST(Mix, MixupAveragesEachPictureWithTheOneBefore) {
  Bytes bytes{0, 100, 255, 200, 100, 0, 40, 101, 7};  // three pictures of one pixel
  BatchMix mix;
  mix.kind = BatchMix::Kind::mixup;
  mix.weight = 0.75;
  const SecondLabels second = mix_batch(mix, 1, {5, 6, 7}, bytes);
  EXPECT_EQ(bytes, (Bytes{10, 100, 193, 150, 100, 64, 80, 101, 5}));
  EXPECT_EQ(second.labels, (std::vector<std::int64_t>{7, 5, 6}));
  EXPECT_EQ(second.weight, 0.25);
}

TEST(Mix, MixupWithAllOfOneOrTheOtherKeepsBytes) {
  const Bytes before{0, 100, 255, 200, 7, 1};
  BatchMix mix;
  mix.kind = BatchMix::Kind::mixup;
  Bytes own = before;
  mix_batch(mix, 1, {0, 1}, own);
  EXPECT_EQ(own, before);
  mix.weight = 0;
  Bytes others = before;
  mix_batch(mix, 1, {0, 1}, others);
  EXPECT_EQ(others, (Bytes{200, 7, 1, 0, 100, 255}));
}

TEST(Mix, CutmixTakesTheBoxFromThePictureBefore) {
  constexpr int kSize = 4;
  Bytes bytes;
  for (const int value : {10, 20, 30}) {
    bytes.insert(bytes.end(), kSize * kSize * 3, static_cast<std::uint8_t>(value));
  }
  BatchMix mix;
  mix.kind = BatchMix::Kind::cutmix;
  mix.box = {1, 2, 3, 1};
  mix.weight = 1 - 3.0 / 16;
  const SecondLabels second = mix_batch(mix, kSize, {0, 1, 2}, bytes);
  EXPECT_EQ(second.labels, (std::vector<std::int64_t>{2, 0, 1}));
  EXPECT_DOUBLE_EQ(second.weight, 3.0 / 16);
  const std::array<int, 3> own{10, 20, 30};
  const std::array<int, 3> other{30, 10, 20};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t pixel = i / 3 % 16;
    const bool inside = pixel / 4 == 2 && pixel % 4 >= 1;
    EXPECT_EQ(bytes[i], inside ? other[i / 48] : own[i / 48]) << i;
  }
}

TEST(Mix, NoneLeavesAllAndSizesMustFit) {
  Bytes bytes{1, 2, 3};
  const SecondLabels second = mix_batch({}, 1, {4}, bytes);
  EXPECT_EQ(bytes, (Bytes{1, 2, 3}));
  EXPECT_EQ(second.labels, (std::vector<std::int64_t>{4}));
  EXPECT_EQ(second.weight, 0);
  EXPECT_THROW(mix_batch({}, 2, {4}, bytes), Error);
}

}  // namespace
}  // namespace resnet
