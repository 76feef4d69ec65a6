#include <algorithm>

#include <gtest/gtest.h>

#include "training/augment.h"
#include "training/picture.h"

namespace resnet {
namespace {

RgbPicture gradient(int width, int height) {
  RgbPicture picture{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      picture.pixels.push_back(static_cast<std::uint8_t>(x * 255 / width));
      picture.pixels.push_back(static_cast<std::uint8_t>(y * 255 / height));
      picture.pixels.push_back(static_cast<std::uint8_t>((x * 7 + y * 3) % 256));
    }
  }
  return picture;
}

std::vector<std::uint8_t> augmented(const RgbPicture& picture, const Augmentation& augmentation,
                                    std::uint64_t epoch, std::uint64_t index) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(augmentation.size * augmentation.size) * 3);
  Random random(3, epoch, index);
  augment(picture, augmentation, random, out.data());
  return out;
}

TEST(Augment, DependsOnSeedEpochAndIndexAlone) {
  const RgbPicture picture = gradient(60, 45);
  Augmentation augmentation;
  augmentation.size = 32;
  augmentation.jitter = 0.3;
  const auto first = augmented(picture, augmentation, 1, 7);
  augmented(picture, augmentation, 5, 5);
  EXPECT_EQ(augmented(picture, augmentation, 1, 7), first);
  EXPECT_NE(augmented(picture, augmentation, 2, 7), first);
  EXPECT_NE(augmented(picture, augmentation, 1, 8), first);
}

TEST(Augment, CropsStayInsideAndKeepAreaAndRatio) {
  Random random(1, 2, 3);
  double smallest = 1;
  for (int i = 0; i < 2000; ++i) {
    const Crop crop = random_crop(200, 150, 0.25, random);
    ASSERT_GE(crop.left, 0);
    ASSERT_GE(crop.top, 0);
    ASSERT_LE(crop.left + crop.width, 200);
    ASSERT_LE(crop.top + crop.height, 150);
    const double area = static_cast<double>(crop.width) * crop.height / (200.0 * 150);
    smallest = std::min(smallest, area);
    ASSERT_GT(area, 0.24);
    const double ratio = static_cast<double>(crop.width) / crop.height;
    ASSERT_GT(ratio, 0.73);
    ASSERT_LT(ratio, 1.37);
  }
  EXPECT_LT(smallest, 0.3);
}

TEST(Augment, PicturesTooNarrowForAnyCropGiveTheCentralOne) {
  Random random(1, 2, 3);
  const Crop crop = random_crop(3, 1000, 0.9, random);
  EXPECT_EQ(crop.width, 3);
  EXPECT_EQ(crop.height, 4);
  EXPECT_EQ(crop.top, 498);
}

TEST(Augment, OnePixelIsEnough) {
  Augmentation augmentation;
  augmentation.size = 16;
  augmentation.jitter = 0.5;
  EXPECT_EQ(augmented(gradient(1, 1), augmentation, 0, 0).size(), 16U * 16 * 3);
}

TEST(Augment, FlipsHalfOfTheTime) {
  RgbPicture picture = gradient(64, 64);
  Augmentation augmentation;
  augmentation.size = 16;
  augmentation.min_scale = 0.9;
  int flipped = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto out = augmented(picture, augmentation, 0, i);
    flipped += out[0] > out[15 * 3] ? 1 : 0;  // red rises to the right in the original
  }
  EXPECT_GT(flipped, 150);
  EXPECT_LT(flipped, 250);
}

TEST(Random, ShuffleIsAPermutationThatTheSeedFixes) {
  std::vector<int> a(50);
  std::vector<int> b(50);
  for (int i = 0; i < 50; ++i) a[static_cast<std::size_t>(i)] = b[static_cast<std::size_t>(i)] = i;
  const std::vector<int> sorted = a;
  Random(3, 0, 0).shuffle(a);
  Random(3, 0, 0).shuffle(b);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, sorted);
  EXPECT_TRUE(std::is_permutation(a.begin(), a.end(), sorted.begin()));
}

}  // namespace
}  // namespace resnet
