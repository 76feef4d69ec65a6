#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>
#include <libdeflate.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "model/error.h"
#include "tests/temporary_folder.h"
#include "tests/training/python_lines.h"
#include "training/picture.h"

namespace resnet {
namespace {

std::vector<std::uint8_t> encoded(const std::string& ending, const cv::Mat& picture) {
  std::vector<std::uint8_t> bytes;
  cv::imencode(ending, picture, bytes);
  return bytes;
}

std::string error_of(std::span<const std::uint8_t> bytes) {
  try {
    decode_picture(bytes, "some.jpg");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// A JPEG, red above and blue below, with that EXIF orientation.
std::vector<std::uint8_t> oriented_jpeg(std::uint8_t orientation) {
  cv::Mat picture(32, 16, CV_8UC3, cv::Scalar(0, 0, 255));
  picture.rowRange(16, 32).setTo(cv::Scalar(255, 0, 0));
  std::vector<std::uint8_t> bytes = encoded(".jpg", picture);
  const std::vector<std::uint8_t> exif{0xFF, 0xE1, 0, 34, 'E', 'x',         'i', 'f', 0, 0,    'M', 'M',
                                       0,    42,   0, 0,  0,   8,           0,   1,   1, 0x12, 0,   3,
                                       0,    0,    0, 1,  0,   orientation, 0,   0,   0, 0,    0,   0};
  bytes.insert(bytes.begin() + 2, exif.begin(), exif.end());
  return bytes;
}

TEST(Picture, ExifOrientationTurnsIt) {
  const RgbPicture upright = decode_picture(oriented_jpeg(1), "upright");
  EXPECT_EQ(upright.width, 16);
  EXPECT_GT(upright.pixels[0], 200);  // red first
  const RgbPicture down = decode_picture(oriented_jpeg(3), "upside down");
  EXPECT_EQ(down.width, 16);
  EXPECT_LT(down.pixels[0], 50);
  EXPECT_GT(down.pixels[2], 200);
  const RgbPicture turned = decode_picture(oriented_jpeg(6), "turned right");
  EXPECT_EQ(turned.width, 32);
  EXPECT_EQ(turned.height, 16);
  EXPECT_LT(turned.pixels[0], 50);  // the bottom is on the left now
}

TEST(Picture, ALargeJpegIsDecodedAtAPartOfItsSize) {
  cv::Mat large(600, 800, CV_8UC3);
  for (int y = 0; y < large.rows; ++y) {
    for (int x = 0; x < large.cols; ++x)
      large.at<cv::Vec3b>(y, x) = cv::Vec3b(40, 120, static_cast<std::uint8_t>(x * 255 / large.cols));
  }
  const std::vector<std::uint8_t> jpeg = encoded(".jpg", large);
  for (const auto& [least, height] :
       {std::pair{0, 600}, {301, 600}, {300, 300}, {150, 150}, {74, 75}, {1, 75}}) {
    const RgbPicture picture = decode_picture(jpeg, "large.jpg", least);
    EXPECT_EQ(picture.height, height) << least;
    EXPECT_EQ(picture.width, height * 4 / 3);
    const RgbPicture expected = shrink(decode_picture(jpeg, "large.jpg"), height);
    for (std::size_t i = 0; i < picture.pixels.size(); i += 101)
      ASSERT_NEAR(picture.pixels[i], expected.pixels[i], 6) << least << ", " << i;
  }
  EXPECT_EQ(decode_picture(encoded(".png", large), "large.png", 10).height, 600);
  // Its orientation is that of the whole picture.
  const RgbPicture turned = decode_picture(oriented_jpeg(6), "turned right", 8);
  EXPECT_EQ(turned.width, 16);
  EXPECT_EQ(turned.height, 8);
}

TEST(Picture, GreyAlphaAndSixteenBitBecomeRgb) {
  const RgbPicture grey = decode_picture(encoded(".png", cv::Mat(3, 5, CV_8UC1, cv::Scalar(77))), "grey");
  EXPECT_EQ(grey.pixels, std::vector<std::uint8_t>(45, 77));
  const RgbPicture alpha =
      decode_picture(encoded(".png", cv::Mat(1, 1, CV_8UC4, cv::Scalar(10, 20, 30, 0))), "alpha");
  EXPECT_EQ(alpha.pixels, (std::vector<std::uint8_t>{30, 20, 10}));
  const RgbPicture deep =
      decode_picture(encoded(".png", cv::Mat(1, 1, CV_16UC3, cv::Scalar(0, 32896, 65535))), "16-bit");
  EXPECT_EQ(deep.pixels, (std::vector<std::uint8_t>{255, 128, 0}));
}

/// Runs pillow_pictures.py and compares each line with what we read. @return how many there were
std::size_t compare_with_pillow(const std::string& arguments) {
  const std::vector<std::string> lines = python_lines("pillow_pictures.py", arguments);
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string path;
    int width = 0;
    int height = 0;
    std::uint32_t expected = 0;
    words >> path >> width >> height >> expected;
    const RgbPicture picture = read_picture(path);
    EXPECT_EQ(picture.width, width) << path;
    EXPECT_EQ(picture.height, height) << path;
    EXPECT_EQ(libdeflate_crc32(0, picture.pixels.data(), picture.pixels.size()), expected) << path;
  }
  return lines.size();
}

TEST(Picture, EveryKindEqualsPillows) {
  if (std::getenv("RESNET_PYTHON") == nullptr) GTEST_SKIP() << "RESNET_PYTHON names no Python with Pillow";
  const TemporaryFolder folder;
  EXPECT_GT(compare_with_pillow("'" + folder.path().string() + "'"), 25U);
  // OpenCV rounds each product of CMYK the other way.
  const RgbPicture cmyk = read_picture(folder / "cmyk.jpg");
  const RgbPicture expected = read_picture(folder / "cmyk.jpg.png");
  ASSERT_EQ(cmyk.pixels.size(), expected.pixels.size());
  for (std::size_t i = 0; i < cmyk.pixels.size(); ++i) {
    ASSERT_NEAR(cmyk.pixels[i], expected.pixels[i], 1) << i;
  }
}

TEST(Picture, PhotosEqualPillows) {
  if (std::getenv("RESNET_PYTHON") == nullptr) GTEST_SKIP() << "RESNET_PYTHON names no Python with Pillow";
  const std::string photos = std::string(std::getenv("RESNET_SHARED")) + "/flower_photos/val";
  if (!std::filesystem::exists(photos)) GTEST_SKIP() << photos << " is not there";
  EXPECT_GT(compare_with_pillow("/tmp '" + photos + "'/*/1*.jpg"), 50U);
}

TEST(Picture, BrokenFilesAreNamed) {
  const std::vector<std::uint8_t> jpeg = oriented_jpeg(1);
  EXPECT_NE(error_of(std::span(jpeg).first(jpeg.size() / 2)).find("some.jpg is truncated"),
            std::string::npos);
  const std::vector<std::uint8_t> png = encoded(".png", cv::Mat(40, 40, CV_8UC3, cv::Scalar(1, 2, 3)));
  EXPECT_NE(error_of(std::span(png).first(png.size() - 20)).find("truncated"), std::string::npos);
  for (const std::string ending : {".bmp", ".tiff", ".webp", ".ppm"}) {
    const std::vector<std::uint8_t> whole = encoded(ending, cv::Mat(40, 40, CV_8UC3, cv::Scalar(1, 2, 3)));
    EXPECT_EQ(error_of(whole), "") << ending;
    EXPECT_NE(error_of(std::span(whole).first(whole.size() / 2)).find("some.jpg"), std::string::npos)
        << ending;
  }
  const std::string text = "this is no picture";
  EXPECT_NE(error_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}).find("some.jpg"),
            std::string::npos);
  EXPECT_NE(error_of({}).find("empty"), std::string::npos);
  EXPECT_THROW(read_picture("/nonexistent.jpg"), Error);
  EXPECT_THROW(read_picture("/"), Error);
}

TEST(Picture, BombsAreRefusedByTheirHeader) {
  std::vector<std::uint8_t> png = encoded(".png", cv::Mat(4, 4, CV_8UC3, cv::Scalar(1, 2, 3)));
  png[16] = 0;
  png[17] = 1;  // 65,540 wide
  EXPECT_NE(error_of(png).find("65540×4"), std::string::npos);
}

TEST(Picture, NoCutOfAFileCrashes) {
  const std::vector<std::uint8_t> jpeg = oriented_jpeg(6);
  for (std::size_t n = 0; n < jpeg.size(); n += 3) {
    EXPECT_NE(error_of(std::span(jpeg).first(n)), "") << n;
  }
}

TEST(Picture, ShrinkKeepsTheRatioAndNeverEnlarges) {
  const RgbPicture wide{80, 40, std::vector<std::uint8_t>(80 * 40 * 3, 9)};
  const RgbPicture small = shrink(wide, 20);
  EXPECT_EQ(small.width, 40);
  EXPECT_EQ(small.height, 20);
  EXPECT_EQ(small.pixels, std::vector<std::uint8_t>(40 * 20 * 3, 9));
  EXPECT_EQ(shrink(wide, 100).width, 80);
}

}  // namespace
}  // namespace resnet
