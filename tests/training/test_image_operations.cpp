#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <libdeflate.h>

#include "model/error.h"
#include "tests/temporary_folder.h"
#include "tests/training/python_lines.h"
#include "training/image_operations.h"
#include "training/picture.h"

namespace resnet {
namespace {

std::uint32_t crc_of(const RgbPicture& picture) {
  return libdeflate_crc32(0, picture.pixels.data(), picture.pixels.size());
}

/// Pictures of which no two pixels of a row or column are alike.
RgbPicture numbered(int width, int height) {
  RgbPicture picture{width, height, {}};
  for (int i = 0; i < width * height; ++i) {
    picture.pixels.insert(picture.pixels.end(), 3, static_cast<std::uint8_t>(i + 1));
  }
  return picture;
}

RgbPicture changed(RgbPicture picture, Operation operation, double magnitude = 0) {
  std::vector<std::uint8_t> scratch{1, 2, 3};
  apply_operation(picture, operation, magnitude, scratch);
  return picture;
}

/// Of the red channel.
std::vector<int> reds(const RgbPicture& picture) {
  std::vector<int> result;
  for (std::size_t i = 0; i < picture.pixels.size(); i += 3) result.push_back(picture.pixels[i]);
  return result;
}

TEST(ImageOperations, EqualTorchvisionsOnPillowImagesByteForByte) {
  if (std::getenv("RESNET_PYTHON") == nullptr)
    GTEST_SKIP() << "RESNET_PYTHON names no Python with torchvision";
  const TemporaryFolder folder;
  const std::filesystem::path photos = std::string(std::getenv("RESNET_SHARED")) + "/flower_photos/val/roses";
  std::string arguments = "pictures '" + folder.path().string() + "'";
  if (std::filesystem::exists(photos)) {
    arguments += " '" + std::filesystem::directory_iterator(photos)->path().string() + "'";
  }
  std::string of;
  RgbPicture picture;
  std::set<std::size_t> operations;
  std::vector<std::uint8_t> scratch;
  for (const std::string& line : python_lines("torchvision_operations.py", arguments)) {
    std::istringstream words(line);
    std::string path;
    std::size_t operation = 0;
    double magnitude = 0;
    std::uint32_t expected = 0;
    words >> path >> operation >> magnitude >> expected;
    if (path != of) picture = read_picture(of = path);
    RgbPicture result = picture;
    apply_operation(result, static_cast<Operation>(operation), magnitude, scratch);
    EXPECT_EQ(crc_of(result), expected) << line;
    operations.insert(operation);
  }
  EXPECT_EQ(operations.size(), kOperations);
}

TEST(ImageOperations, GeometryMovesPixelsAndLeavesBlack) {
  const RgbPicture picture = numbered(3, 2);  // 1 2 3 / 4 5 6
  EXPECT_EQ(reds(changed(picture, Operation::identity)), (std::vector<int>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(reds(changed(picture, Operation::translate_x, 1.9)), (std::vector<int>{0, 1, 2, 0, 4, 5}));
  EXPECT_EQ(reds(changed(picture, Operation::translate_y, -1)), (std::vector<int>{4, 5, 6, 0, 0, 0}));
  EXPECT_EQ(reds(changed(picture, Operation::translate_x, 5)), (std::vector<int>(6, 0)));
  EXPECT_EQ(reds(changed(picture, Operation::rotate, 180)), (std::vector<int>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(reds(changed(numbered(2, 2), Operation::rotate, 90)), (std::vector<int>{2, 4, 1, 3}));
  EXPECT_EQ(reds(changed(picture, Operation::shear_x, 0.9)), (std::vector<int>{1, 2, 3, 5, 6, 0}));
  EXPECT_EQ(reds(changed(picture, Operation::shear_y, -0.9)), (std::vector<int>{1, 0, 0, 4, 2, 0}));
}

TEST(ImageOperations, MirrorTurnsLeftToRight) {
  RgbPicture odd = numbered(3, 2);
  mirror(odd);
  EXPECT_EQ(reds(odd), (std::vector<int>{3, 2, 1, 6, 5, 4}));
  RgbPicture even = numbered(2, 1);
  mirror(even);
  EXPECT_EQ(reds(even), (std::vector<int>{2, 1}));
}

TEST(ImageOperations, DoubleFactorsAreFloatsButForASingleStep) {
  std::size_t differ = 0;
  const RgbPicture picture = numbered(16, 16);
  for (int i = 0; i < 200; ++i) {
    const double factor = 0.7 + i * 0.00317;
    RgbPicture a = picture;
    RgbPicture b = picture;
    adjust_contrast(a, factor);
    adjust_contrast(b, static_cast<float>(factor));
    for (std::size_t k = 0; k < a.pixels.size(); ++k) {
      ASSERT_NEAR(a.pixels[k], b.pixels[k], 1);
      differ += a.pixels[k] != b.pixels[k] ? 1 : 0;
    }
  }
  EXPECT_LT(differ, 200U);
}

TEST(ImageOperations, PosterizeKeepsAtLeastOneBit) {
  EXPECT_THROW(changed(numbered(2, 2), Operation::posterize, 0.9), Error);
  EXPECT_THROW(changed(numbered(2, 2), Operation::posterize, 9), Error);
}

}  // namespace
}  // namespace resnet
