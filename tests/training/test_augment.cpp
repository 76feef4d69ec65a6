#include <algorithm>
#include <array>
#include <optional>

#include <gtest/gtest.h>
#include <libdeflate.h>

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

TEST(Augment, SeedsGiveWhatTheyAlwaysGave) {
  Augmentation augmentation;
  augmentation.size = 48;
  std::vector<std::uint8_t> all;
  for (const double jitter : {0.0, 0.2}) {
    augmentation.jitter = jitter;
    for (std::uint64_t i = 0; i < 50; ++i) {
      const auto out = augmented(gradient(90, 70), augmentation, 1, i);
      all.insert(all.end(), out.begin(), out.end());
    }
  }
  EXPECT_EQ(libdeflate_crc32(0, all.data(), all.size()), 2957129382U);
}

TEST(Augment, PolicyFollowsTheFlipAndErasingIsLast) {
  const RgbPicture picture = gradient(90, 70);
  Augmentation plain;
  plain.size = 40;
  std::vector<std::uint8_t> scratch;
  int changed = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {
    RgbPicture expected{40, 40, std::vector<std::uint8_t>(40 * 40 * 3)};
    Random random(3, 1, i);
    augment(picture, plain, random, expected.pixels.data());
    const std::vector<std::uint8_t> before = expected.pixels;
    apply_policy(expected, AugmentationPolicy::trivial, random, scratch);
    Augmentation full = plain;
    full.policy = AugmentationPolicy::trivial;
    EXPECT_EQ(augmented(picture, full, 1, i), expected.pixels);
    changed += expected.pixels != before ? 1 : 0;

    random.uniform();
    const std::optional<Crop> box = random_erasing(40, 40, random);
    ASSERT_TRUE(box);
    for (int y = 0; y < box->height; ++y) {
      for (int x = 0; x < box->width; ++x) {
        const std::array<std::uint8_t, 3> mean{124, 116, 104};
        std::copy(mean.begin(), mean.end(),
                  &expected.pixels[static_cast<std::size_t>(((box->top + y) * 40 + box->left + x) * 3)]);
      }
    }
    full.erase = 1;
    EXPECT_EQ(augmented(picture, full, 1, i), expected.pixels);
  }
  EXPECT_GT(changed, 40);
}

TEST(Augment, ErasesTheProbabilityOfPicturesAndWithTheColorThatIsAsked) {
  Augmentation augmentation;
  augmentation.size = 32;
  augmentation.erase = 0.25;
  augmentation.erase_color = {1, 2, 3};
  int erased = 0;
  const RgbPicture white{40, 40, std::vector<std::uint8_t>(4800, 255)};
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto out = augmented(white, augmentation, 0, i);
    const auto at = std::find(out.begin(), out.end(), 1);
    if (at == out.end()) continue;
    ++erased;
    EXPECT_EQ(*(at + 1), 2);
    EXPECT_EQ(*(at + 2), 3);
  }
  EXPECT_NEAR(erased, 100, 40);
}

TEST(Augment, ErasedRectanglesKeepAreaAndRatioAndLeaveBorders) {
  Random random(1, 2, 3);
  for (int i = 0; i < 2000; ++i) {
    const std::optional<Crop> box = random_erasing(200, 150, random);
    ASSERT_TRUE(box);
    ASSERT_LT(box->width, 200);
    ASSERT_LT(box->height, 150);
    ASSERT_LE(box->left + box->width, 200);
    ASSERT_LE(box->top + box->height, 150);
    const double area = static_cast<double>(box->width) * box->height / (200.0 * 150);
    ASSERT_GT(area, 0.019);
    ASSERT_LT(area, 0.34);
    const double ratio = static_cast<double>(box->height) / box->width;
    ASSERT_GT(ratio, 0.28);
    ASSERT_LT(ratio, 3.5);
  }
  EXPECT_FALSE(random_erasing(1, 1, random));
}

TEST(Augment, OnePixelIsEnough) {
  Augmentation augmentation;
  augmentation.size = 16;
  augmentation.jitter = 0.5;
  augmentation.policy = AugmentationPolicy::rand;
  augmentation.erase = 1;
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
