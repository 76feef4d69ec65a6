#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "caption/caption.h"

namespace resnet {
namespace {

std::uint8_t alpha(const CaptionBitmap& b, int x, int y) {
  if (x < b.x || y < b.y || x >= b.x + b.width || y >= b.y + b.height) return 0;
  return b.pixels[static_cast<std::size_t>((y - b.y) * b.stride + 4 * (x - b.x) + 3)];
}

/// How many of them are seen at a pixel.
int layers(const std::vector<CaptionBitmap>& bitmaps, int x, int y) {
  int count = 0;
  for (const CaptionBitmap& b : bitmaps) count += alpha(b, x, y) > 0;
  return count;
}

// The plate of a region is the bitmap behind the outlines.
const CaptionBitmap& plate(const std::vector<CaptionBitmap>& bitmaps) { return bitmaps.back(); }

TEST(Layout, ACaptionComesBelowThoseThatAreThere) {
  const CaptionBitmap first = draw_overlay({{"tulips", 0.9}, {"roses", 0.1}}, {}, 320, 240).front();
  const CaptionBitmap second = draw_overlay({{"cat", 0.9}}, {}, 320, 240, {2}).front();
  const CaptionBitmap third = draw_overlay({{"red", 0.9}}, {}, 320, 240, {2, 1}).front();
  EXPECT_GT(second.y, first.y + first.height);
  EXPECT_GT(third.y, second.y + second.height);
  EXPECT_LE(third.y, 240 / 2) << "and not far";
  const CaptionBitmap last = draw_overlay({{"red", 0.9}}, {}, 320, 240, {9, 9, 9}).front();
  EXPECT_LE(last.y + last.height, 240) << "as far as there is room";
}

TEST(Layout, EveryBitmapIsInsideTheFrameWhateverTheRegion) {
  constexpr int far = 1 << 24;
  for (const auto& [width, height] : {std::pair{16, 16}, {64, 48}, {15, 100}, {320, 240}, {1, 1}}) {
    for (const CaptionRegion& region :
         {CaptionRegion{0, 0, width, height, {"all", 0.5}}, CaptionRegion{5, 5, 0, 0, {"nothing", 0.5}},
          CaptionRegion{3, 3, 1, 1, {"a pixel", 0.5}},
          CaptionRegion{width - 1, height - 1, 50, 50, {"beyond", 0.5}},
          CaptionRegion{-20, -20, 30, 30, {"before", 0.5}},
          CaptionRegion{far, far, far, far, {"far away", 0.5}},
          CaptionRegion{-far, -far, 2 * far, 2 * far, {"all of it", 0.5}}}) {
      for (const CaptionBitmap& b : draw_overlay({{"tulips", 0.9}}, {region, region}, width, height)) {
        SCOPED_TRACE(region.line.label + " in " + std::to_string(width) + "x" + std::to_string(height));
        ASSERT_GE(b.x, 0);
        ASSERT_GE(b.y, 0);
        ASSERT_LE(b.x + b.width, width);
        ASSERT_LE(b.y + b.height, height);
        ASSERT_EQ(b.pixels.size(), static_cast<std::size_t>(b.stride) * static_cast<std::size_t>(b.height));
      }
    }
  }
}

TEST(Layout, AnOutlineHasItsColourBetweenDarkEdgesAndNothingInside) {
  const std::vector<CaptionBitmap> bitmaps =
      draw_overlay({}, {{100, 90, 120, 100, {"tulips", 0.5}}}, 320, 240);
  const auto pixel = [&bitmaps](int x, int y) {
    for (const CaptionBitmap& b : bitmaps) {
      if (alpha(b, x, y) == 0) continue;
      const std::uint8_t* p =
          b.pixels.data() + std::ptrdiff_t{y - b.y} * b.stride + std::ptrdiff_t{4} * (x - b.x);
      return std::array<int, 4>{p[2], p[1], p[0], p[3]};
    }
    return std::array<int, 4>{};
  };
  const std::array<double, 3> colour = line_colour({"tulips", 0.5});
  const std::array<int, 4> line{static_cast<int>(colour[0] * 255 + 0.5),
                                static_cast<int>(colour[1] * 255 + 0.5),
                                static_cast<int>(colour[2] * 255 + 0.5), 255};
  const std::array<int, 4> dark{0, 0, 0, 166}, nothing{};
  for (const auto& [x, y, step_x, step_y] :
       {std::array{100, 140, 1, 0}, {219, 140, -1, 0}, {160, 189, 0, -1}, {210, 90, 0, 1}}) {
    SCOPED_TRACE(std::to_string(x) + ", " + std::to_string(y));
    EXPECT_EQ(pixel(x, y), line);
    EXPECT_EQ(pixel(x + step_x, y + step_y), line);
    EXPECT_EQ(pixel(x + 2 * step_x, y + 2 * step_y), dark);
    EXPECT_EQ(pixel(x + 3 * step_x, y + 3 * step_y), nothing);
  }
  EXPECT_EQ(pixel(99, 140), dark);
  EXPECT_EQ(pixel(98, 140), nothing);
}

TEST(Layout, ARegionsPlateStandsAboveItElseInside) {
  const CaptionRegion low{100, 100, 150, 120, {"tulips", 0.5}}, high{100, 5, 150, 120, {"tulips", 0.5}};
  const CaptionBitmap above = plate(draw_overlay({}, {low}, 320, 240));
  EXPECT_LT(above.y + above.height, 100);
  EXPECT_GT(above.y + above.height, 95);
  EXPECT_EQ(above.x, 100);
  const CaptionBitmap inside = plate(draw_overlay({}, {high}, 320, 240));
  EXPECT_GT(inside.y, 5);
  EXPECT_LT(inside.y, 12);
}

TEST(Layout, PlatesKeepClearOfEachOtherWhereThereIsRoom) {
  const std::vector<CaptionLine> lines{{"tulips", 0.9}, {"roses", 0.05}};
  const CaptionBitmap caption = draw_caption(lines, 640, 480);
  const CaptionRegion region{10, 10, 300, 300, {"daisy", 0.5}};
  const std::vector<CaptionBitmap> bitmaps = draw_overlay(lines, {region, region}, 640, 480);
  const CaptionBitmap &first = bitmaps[bitmaps.size() - 2], &second = bitmaps.back();
  EXPECT_GE(first.y, caption.y + caption.height);
  EXPECT_TRUE(second.y >= first.y + first.height || first.y >= second.y + second.height);
}

TEST(Layout, NothingShinesThroughAPlate) {
  const std::vector<CaptionLine> lines{{"tulips", 0.9}, {"roses", 0.05}};
  const CaptionBitmap caption = draw_caption(lines, 64, 48);
  std::vector<CaptionRegion> regions;
  for (int i = 0; i < 5; ++i) regions.push_back({4 * i, 3 * i, 40, 30, {"daisy", 0.5}});
  const std::vector<CaptionBitmap> bitmaps = draw_overlay(lines, regions, 64, 48);
  for (int y = caption.y; y < caption.y + caption.height; ++y) {
    for (int x = caption.x; x < caption.x + caption.width; ++x) {
      ASSERT_EQ(layers(bitmaps, x, y), alpha(caption, x, y) > 0 ? 1 : 0) << x << ", " << y;
    }
  }
}

TEST(Layout, TextOfAllScriptsStandsOnLinesThatAreEquallyFarApart) {
  // A label that looks like its number.
  const CaptionBitmap b = draw_caption({{"0.0%", 0}, {"向日葵", 0}, {"0.0%", 0}}, 640, 480);
  // Where white pixels begin in some columns.
  const auto tops = [&b](int from, int to) {
    std::vector<int> found;
    bool was_white = false;
    for (int y = 0; y < b.height; ++y) {
      bool white = false;
      for (int x = from; x < to; ++x) {
        white = white || b.pixels[static_cast<std::size_t>(y * b.stride + 4 * x)] > 200;
      }
      if (white && !was_white) found.push_back(y);
      was_white = white;
    }
    return found;
  };
  const std::vector<int> numbers = tops(b.width * 7 / 8, b.width), labels = tops(0, b.width / 8);
  ASSERT_EQ(numbers.size(), 3u);
  EXPECT_EQ(numbers[1] - numbers[0], numbers[2] - numbers[1]);
  EXPECT_EQ(labels.front(), numbers[0]);
  EXPECT_EQ(labels.back(), numbers[2]);
}

}  // namespace
}  // namespace resnet
