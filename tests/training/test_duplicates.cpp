#include <string_view>

#include <gtest/gtest.h>

#include "tests/training/textured_pictures.h"
#include "training/duplicates.h"
#include "training/picture.h"

namespace resnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

Fingerprint of(const cv::Mat& picture, const std::string& ending = ".png", int quality = 95) {
  Bytes bytes;
  cv::imencode(ending, picture, bytes, {cv::IMWRITE_JPEG_QUALITY, quality});
  return fingerprint(bytes, decode_picture(bytes, "test"));
}

/// A fingerprint like `one` with `bits` other bits in its hash, the n-th bit of the n-th word.
Fingerprint flipped(Fingerprint one, int bits) {
  for (int i = 0; i < bits; ++i) one.hash[static_cast<std::size_t>(i)] ^= static_cast<std::uint16_t>(1U << i);
  one.sha256[0] ^= static_cast<std::uint8_t>(bits + 1);
  return one;
}

TEST(Duplicates, DigestIsSha256) {
  constexpr std::string_view kText = "abc";
  const Bytes bytes(kText.begin(), kText.end());
  const Fingerprint print = fingerprint(bytes, {1, 1, {0, 0, 0}});
  EXPECT_EQ(print.sha256[0], 0xba);  // FIPS 180-2's example: ba7816bf…
  EXPECT_EQ(print.sha256[1], 0x78);
  EXPECT_EQ(print.sha256[31], 0xad);
}

TEST(Duplicates, TheSamePictureSavedAnewIsNear) {
  const cv::Mat picture = texture(1);
  const std::vector<Fingerprint> prints{of(picture), of(texture(2)), of(picture, ".jpg", 60),
                                        of(texture(1, 80, 60)), of(texture(3))};
  const auto groups = find_duplicates(prints, 10);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].members, (std::vector<std::size_t>{0, 2, 3}));
  EXPECT_FALSE(groups[0].exact);
}

TEST(Duplicates, TheSameBytesAreExact) {
  const std::vector<Fingerprint> prints{of(texture(1)), of(texture(2)), of(texture(1)), of(texture(2)),
                                        of(texture(1))};
  const auto groups = find_duplicates(prints, 0);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].members, (std::vector<std::size_t>{0, 2, 4}));
  EXPECT_EQ(groups[1].members, (std::vector<std::size_t>{1, 3}));
  EXPECT_TRUE(groups[0].exact);
  EXPECT_EQ(groups[0].distance, 0);
}

TEST(Duplicates, EveryDistanceUpToTheLimitIsFound) {
  const Fingerprint one = of(texture(1));
  for (int bits = 0; bits <= kMaxHashDistance; ++bits) {
    const auto groups = find_duplicates({one, flipped(one, bits)}, bits);
    ASSERT_EQ(groups.size(), 1U) << bits;
    EXPECT_EQ(groups[0].distance, bits);
    EXPECT_TRUE(find_duplicates({one, flipped(one, bits)}, bits - 1).empty() || bits == 0) << bits;
  }
}

TEST(Duplicates, OtherColoursAreAnotherPicture) {
  const cv::Mat picture = texture(1) / 2;
  cv::Mat redder = picture + cv::Scalar(0, 0, 60);
  EXPECT_LE(hash_distance(of(picture), of(redder)), 3);
  EXPECT_TRUE(find_duplicates({of(picture), of(redder)}, 10).empty());
}

TEST(Duplicates, WhoeverLooksLikeAMemberBelongsToTheGroup) {
  const Fingerprint one = of(texture(1));
  const auto groups = find_duplicates({one, flipped(one, 12), flipped(one, 6)}, 6);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].members, (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(groups[0].distance, 6);
}

TEST(Duplicates, NoneAmongNone) { EXPECT_TRUE(find_duplicates({}, 10).empty()); }

}  // namespace
}  // namespace resnet
