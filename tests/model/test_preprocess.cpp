#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>
#include <libdeflate.h>

#include "model/error.h"
#include "model/pixel_layout.h"
#include "model/preprocess.h"
#include "model/resample.h"
#include "model/row_narrower.h"
#include "model/yuv.h"
#include "tests/model/frames.h"

namespace resnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::size_t elements(const Preprocessing& p) {
  return std::size_t{3} * static_cast<std::size_t>(p.crop_size * p.crop_size);
}

Bytes run_u8(const Image& image, const Preprocessing& preprocessing) {
  Bytes out(elements(preprocessing));
  Preprocessor(preprocessing, TensorType::u8, TensorLayout::hwc).run(image, out.data());
  return out;
}

// Does what a line of pillow_cases.py says and compares.
void expect_pillows_result(const std::string& line) {
  std::istringstream words(line);
  std::string what;
  int width = 0, height = 0, a = 0, b = 0, filter = 0;
  Box box;
  std::uint64_t seed = 0;
  std::uint32_t expected = 0;
  words >> what >> width >> height >> a >> b >> filter;
  if (what == "resize") words >> box.left >> box.top >> box.right >> box.bottom;
  words >> seed >> expected;
  ASSERT_TRUE(words) << line;
  const Frame frame = make_rgb_frame(width, height, seed, {static_cast<int>(seed % 3), seed % 2 != 0});
  const auto interpolation = static_cast<Interpolation>(filter);
  Preprocessing preprocessing = make_preprocessing(a, b, interpolation);
  if (what == "stretch") preprocessing.fit = Fit::stretch;
  const Bytes pixels = what == "resize" ? resize(frame.image, a, b, interpolation, box).pixels
                                        : run_u8(frame.image, preprocessing);
  EXPECT_EQ(libdeflate_crc32(0, pixels.data(), pixels.size()), expected) << line;
}

TEST(Preprocess, EqualsPillowBitForBit) {
  // python3 tests/model/pillow_cases.py --golden, with Pillow 13.0.0
  for (const char* line : {
           "crop 1 1 256 224 0 0 3666060370",
           "crop 1 300 256 224 1 1 1040986519",
           "crop 300 1 256 224 0 2 45559791",
           "crop 2 3 256 224 1 3 47626695",
           "crop 224 224 256 224 0 4 778759074",
           "crop 256 256 256 224 1 5 815120407",
           "crop 255 257 256 224 0 6 3617418185",
           "crop 320 240 256 224 1 7 367162553",
           "crop 640 361 256 224 0 8 1002930159",
           "crop 59 675 256 224 1 9 3820862428",
           "crop 1280 720 256 224 0 10 2787709872",
           "crop 3000 2 256 224 1 11 954412847",
           "stretch 320 240 256 224 0 12 900639267",
           "stretch 90 700 64 64 1 13 2262312237",
           "resize 100 80 31 47 0 0.0 0.0 100.0 80.0 1 4223877155",
           "resize 100 80 31 47 1 10.3 7.9 88.1 63.3 2 1206732185",
           "resize 40 700 33 5 0 0.0 0.0 40.0 700.0 3 3383890261",
           "resize 50 50 50 20 1 0.0 0.0 50.0 50.0 4 2888949885",
           "resize 50 50 20 50 0 0.0 0.0 50.0 50.0 5 793878569",
           "resize 7 9 7 9 0 0.0 0.0 7.0 9.0 6 2391383603",
       }) {
    expect_pillows_result(line);
  }
}

TEST(Preprocess, EqualsPillowOfThisMachineBitForBit) {
  const char* python = std::getenv("RESNET_PYTHON");
  const char* root = std::getenv("RESNET_SOURCE_ROOT");
  if (python == nullptr || root == nullptr) GTEST_SKIP() << "RESNET_PYTHON names no Python with Pillow";
  const std::string command = std::string("'") + python + "' '" + root + "/tests/model/pillow_cases.py'";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::array<char, 512> line{};
  int version = 0, cases = 0;
  ASSERT_NE(std::fgets(line.data(), line.size(), pipe), nullptr) << command;
  ASSERT_EQ(std::sscanf(line.data(), "pillow %d", &version), 1) << line.data();
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) {
    if (version >= 13) expect_pillows_result(line.data());
    ++cases;
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  EXPECT_GT(cases, 200);
  // 11.1 resizes 269×620 to 37×85 with the passes in another order than 13.0.
  if (version < 13) GTEST_SKIP() << "Pillow " << version << " has another rule for which pass comes first";
}

TEST(Preprocess, EveryVectorUnitNarrowsRowsToTheSameBits) {
  for (const auto& [from, to] : {std::pair{1280, 455},
                                 {1920, 455},
                                 {3840, 455},
                                 {640, 455},
                                 {300, 256},
                                 {100, 400},
                                 {2000, 40},
                                 {9, 3},
                                 {3, 2}}) {
    for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
      const Coefficients columns = make_coefficients(from, 0, from, to, to / 10, to - to / 10, interpolation);
      const auto in = static_cast<std::size_t>(columns.end() - columns.begin());
      const std::size_t out_bytes = 3 * columns.first.size();
      for (const ChannelLayout& layout :
           {ChannelLayout{3, 0, 1, 2}, ChannelLayout{4, 3, 2, 1}, ChannelLayout{1, 0, 0, 0}}) {
        // Exactly as long as the row, so that a sanitizer sees what is read or written beyond it.
        const std::size_t row_bytes = layout.row_bytes(in);
        const Bytes noise = make_pixels(static_cast<int>(row_bytes), 1, 8);
        std::vector<Bytes> results;
        for (int unit = 0; unit <= static_cast<int>(best_vector_unit()); ++unit) {
          RowNarrower narrower(columns, layout, static_cast<VectorUnit>(unit));
          Bytes result;
          for (std::size_t y = 0; y < 3; ++y) {
            const Bytes row(&noise[y * row_bytes], &noise[y * row_bytes] + row_bytes);
            Bytes out(out_bytes);
            narrower.run(row.data(), out.data());
            result.insert(result.end(), out.begin(), out.end());
          }
          results.push_back(std::move(result));
        }
        for (std::size_t unit = 1; unit < results.size(); ++unit) {
          EXPECT_EQ(results[unit], results[0])
              << from << " to " << to << " by " << layout.step << " with unit " << unit;
        }
      }
    }
  }
}

int largest_difference(const Bytes& a, const Bytes& b) {
  int most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

TEST(Preprocess, EveryFormatEqualsItsRgbPicture) {
  const std::array<std::array<int, 2>, 7> sizes{
      {{1, 1}, {1, 40}, {50, 1}, {33, 57}, {320, 181}, {41, 400}, {64, 64}}};
  for (const PixelFormat format : all_formats()) {
    // Which may go a faster way.
    const bool yuv = layout_of(format).kind == PixelKind::yuv;
    for (const auto& [width, height] : sizes) {
      for (const RowLayout layout : {RowLayout{0, false}, RowLayout{5, false}, RowLayout{3, true}}) {
        const Frame frame = make_frame(format, width, height, 5, layout);
        const Preprocessing preprocessing = make_preprocessing(40, 32);
        EXPECT_LE(largest_difference(run_u8(frame.image, preprocessing),
                                     run_u8(view(to_rgb(frame.image)), preprocessing)),
                  yuv ? 1 : 0)
            << name(format) << " " << width << "×" << height << " padding " << layout.padding;
      }
    }
  }
}

template <typename Element>
void expect_normalised(TensorType type) {
  const Frame frame = make_rgb_frame(90, 70, 2);
  const Preprocessing p = make_preprocessing(40, 32);
  const Bytes pixels = run_u8(frame.image, p);
  std::vector<Element> hwc(elements(p)), chw(elements(p));
  Preprocessor(p, type, TensorLayout::hwc).run(frame.image, hwc.data());
  Preprocessor(p, type, TensorLayout::chw).run(frame.image, chw.data());
  for (std::size_t i = 0; i < hwc.size(); ++i) {
    const std::size_t c = i % 3;
    const Element expected =
        type == TensorType::u8
            ? static_cast<Element>(pixels[i])
            : static_cast<Element>((static_cast<float>(pixels[i]) / 255.0f - p.mean[c]) / p.std[c]);
    ASSERT_TRUE(hwc[i] == expected) << i;
    ASSERT_TRUE(chw[c * hwc.size() / 3 + i / 3] == expected) << i;
  }
}

TEST(Preprocess, TypesAndLayoutsHoldTheSamePixels) {
  expect_normalised<std::uint8_t>(TensorType::u8);
  expect_normalised<float>(TensorType::fp32);
  expect_normalised<c10::Half>(TensorType::fp16);
  expect_normalised<c10::BFloat16>(TensorType::bf16);
}

TEST(Preprocess, OneObjectServesOneGeometryAfterAnother) {
  const Preprocessing p = make_preprocessing(40, 32);
  Preprocessor reused(p, TensorType::u8, TensorLayout::hwc);
  for (const auto& [width, height] :
       std::array<std::array<int, 2>, 5>{{{90, 70}, {41, 400}, {2, 2}, {41, 400}, {90, 70}}}) {
    for (const PixelFormat format : {PixelFormat::NV12, PixelFormat::RGB}) {
      const Frame frame = make_frame(format, width, height, 3);
      Bytes out(elements(p));
      reused.run(frame.image, out.data());
      EXPECT_EQ(out, run_u8(frame.image, p)) << width << "×" << height;
    }
  }
}

TEST(Preprocess, PartsOfTheRowsAreThoseOfTheWhole) {
  const Preprocessing preprocessing;
  constexpr std::size_t crop = 224, row = 3 * crop;
  for (const PixelFormat format :
       {PixelFormat::NV12, PixelFormat::I420, PixelFormat::YUY2, PixelFormat::P010_10LE, PixelFormat::RGB}) {
    for (const auto& [width, height] : {std::pair(700, 500), std::pair(300, 200), std::pair(250, 900)}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(format) << ", " << width << "x" << height);
      const Frame frame = make_frame(format, width, height, 3);
      std::vector<std::uint8_t> whole(crop * row), parts(crop * row);
      Preprocessor one(preprocessing, TensorType::u8, TensorLayout::hwc), other = one.another();
      one.run(frame.image, whole.data());
      other.run_rows(frame.image, parts.data(), 100, 223);
      one.run_rows(frame.image, parts.data(), 223, 224);
      one.run_rows(frame.image, parts.data(), 1, 100);
      EXPECT_EQ(std::count(parts.begin(), parts.begin() + row, 0), row) << "rows that are others' to make";
      other.run_rows(frame.image, parts.data(), 0, 1);
      EXPECT_EQ(parts, whole);
    }
  }
}

TEST(Preprocess, TheLargestSides) {
  for (const auto& [width, height] : std::array<std::array<int, 2>, 2>{{{32768, 2}, {2, 32768}}}) {
    const Frame frame = make_rgb_frame(width, height, 4);
    EXPECT_EQ(run_u8(frame.image, make_preprocessing(256, 224)).size(), std::size_t{224} * 224 * 3);
  }
}

TEST(Preprocess, BadArgumentsAreErrors) {
  EXPECT_THROW(Preprocessor(make_preprocessing(224, 256), TensorType::u8, TensorLayout::hwc), Error);
  EXPECT_THROW(Preprocessor(make_preprocessing(224, 0), TensorType::u8, TensorLayout::hwc), Error);
  EXPECT_THROW(Preprocessor(make_preprocessing(5000, 224), TensorType::u8, TensorLayout::hwc), Error);
  Image empty = make_rgb_frame(4, 4, 1).image;
  empty.width = 0;
  EXPECT_THROW(run_u8(empty, make_preprocessing(40, 32)), Error);
  const Frame frame = make_rgb_frame(4, 4, 1);
  EXPECT_THROW(resize(frame.image, 0, 4, Interpolation::bilinear, {0, 0, 4, 4}), Error);
  EXPECT_THROW(resize(frame.image, 4, 4, Interpolation::bilinear, {0, 0, 5, 4}), Error);
  EXPECT_THROW(resize(frame.image, 4, 4, Interpolation::bilinear, {2, 0, 2, 4}), Error);
  EXPECT_THROW(
      resize(make_frame(PixelFormat::NV12, 4, 4, 1).image, 4, 4, Interpolation::bilinear, {0, 0, 4, 4}),
      Error);
}

/// The pixel of the upright picture at (x, y), by GStreamer's words for the orientations.
std::pair<int, int> turned(Orientation orientation, int x, int y, int side) {
  const int right = side - 1 - x, bottom = side - 1 - y;
  switch (orientation) {
    case Orientation::right_90:  // what was on the left is on top
      return {y, right};
    case Orientation::half_turn:
      return {right, bottom};
    case Orientation::left_90:
      return {bottom, x};
    case Orientation::horizontal:
      return {right, y};
    case Orientation::vertical:
      return {x, bottom};
    case Orientation::ul_lr:
      return {y, x};
    case Orientation::ur_ll:
      return {bottom, right};
    default:
      return {x, y};
  }
}

TEST(Preprocess, TurnsPicturesUpright) {
  constexpr int side = 60;
  const Preprocessing preprocessing = make_preprocessing(36, 32);
  const Frame frame = make_rgb_frame(side, side, 5);
  for (const Orientation orientation :
       {Orientation::identity, Orientation::right_90, Orientation::half_turn, Orientation::left_90,
        Orientation::horizontal, Orientation::vertical, Orientation::ul_lr, Orientation::ur_ll}) {
    SCOPED_TRACE(static_cast<int>(orientation));
    RgbPicture upright{side, side, Bytes(static_cast<std::size_t>(side * side * 3))};
    for (int y = 0; y < side; ++y) {
      for (int x = 0; x < side; ++x) {
        const auto [from_x, from_y] = turned(orientation, x, y, side);
        std::memcpy(&upright.pixels[static_cast<std::size_t>((y * side + x) * 3)],
                    frame.image.planes[0].data + from_y * frame.image.planes[0].stride + 3 * from_x, 3);
      }
    }
    Image image = frame.image;
    image.orientation = orientation;
    EXPECT_LE(largest_difference(run_u8(image, preprocessing), run_u8(view(upright), preprocessing)), 1)
        << "the passes round in another order";
  }
}

TEST(Preprocess, MakesPixelsSquare) {
  const Preprocessing preprocessing = make_preprocessing(36, 32);
  // A slope, so that twice as many columns say the same.
  const auto slope = [](int width) {
    RgbPicture picture{width, 90, Bytes(static_cast<std::size_t>(width * 90 * 3))};
    for (int y = 0; y < 90; ++y) {
      for (int x = 0; x < width * 3; ++x) {
        const int column = x / 3;
        picture.pixels[static_cast<std::size_t>(y * width * 3 + x)] =
            static_cast<std::uint8_t>((column + 0.5) / width * 250);
      }
    }
    return picture;
  };
  const RgbPicture narrow = slope(80), wide = slope(160);
  Image image = view(narrow);
  image.pixel_aspect = 2;
  EXPECT_LE(largest_difference(run_u8(image, preprocessing), run_u8(view(wide), preprocessing)), 2);
  image.pixel_aspect = 1;
  EXPECT_GT(largest_difference(run_u8(image, preprocessing), run_u8(view(wide), preprocessing)), 10);
  image.pixel_aspect = 1000;
  EXPECT_THROW(run_u8(image, preprocessing), Error);
}

}  // namespace
}  // namespace resnet
