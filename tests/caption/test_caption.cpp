#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <cairo.h>
#include <gtest/gtest.h>

#include "caption/caption.h"

namespace resnet {
namespace {

std::size_t opaque_pixels(const CaptionBitmap& bitmap) {
  std::size_t count = 0;
  for (std::size_t i = 3; i < bitmap.pixels.size(); i += 4) count += bitmap.pixels[i] > 250;
  return count;
}

void expect_inside(const CaptionBitmap& b, int width, int height) {
  SCOPED_TRACE(std::to_string(width) + "x" + std::to_string(height));
  ASSERT_FALSE(b.pixels.empty());
  EXPECT_GE(b.x, 0);
  EXPECT_GE(b.y, 0);
  EXPECT_GT(b.width, 0);
  EXPECT_GT(b.height, 0);
  EXPECT_LE(b.x + b.width, width);
  EXPECT_LE(b.y + b.height, height);
  EXPECT_GE(b.stride, b.width * 4);
  EXPECT_EQ(b.pixels.size(), static_cast<std::size_t>(b.stride) * static_cast<std::size_t>(b.height));
}

/// Puts the caption over a picture with both black and white in it, to look at:
/// RESNET_CAPTION_PICTURES=FOLDER.
void save(const std::string& name, CaptionBitmap b, int width, int height) {
  const char* folder = std::getenv("RESNET_CAPTION_PICTURES");
  if (folder == nullptr) return;
  cairo_surface_t* frame = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
  cairo_t* context = cairo_create(frame);
  cairo_set_source_rgb(context, 1, 1, 1);
  cairo_paint(context);
  cairo_rectangle(context, width * 0.2, 0, width * 0.2, height);
  cairo_set_source_rgb(context, 0.1, 0.5, 0.2);
  cairo_fill(context);
  if (!b.pixels.empty()) {
    cairo_surface_t* caption = cairo_image_surface_create_for_data(b.pixels.data(), CAIRO_FORMAT_ARGB32,
                                                                   b.width, b.height, b.stride);
    cairo_set_source_surface(context, caption, b.x, b.y);
    cairo_paint(context);
    cairo_surface_destroy(caption);
  }
  cairo_surface_write_to_png(frame, (std::filesystem::path(folder) / (name + ".png")).c_str());
  cairo_destroy(context);
  cairo_surface_destroy(frame);
}

const std::vector<CaptionLine> scripts = {{"tulips", 0.987},
                                          {"向日葵 (sunflower)", 0.5},
                                          {"زهرة التوليب", 0.25},
                                          {"🌻 emoji ñandú", 0.125},
                                          {"no number", std::nan("")}};

TEST(Caption, IsInsideEveryFrameThatIsLargeEnough) {
  for (const auto& [width, height] : {std::pair{16, 16},
                                      {16, 2000},
                                      {2000, 16},
                                      {17, 31},
                                      {63, 64},
                                      {320, 240},
                                      {1920, 1080},
                                      {1080, 1920},
                                      {7680, 4320}}) {
    expect_inside(draw_caption(scripts, width, height), width, height);
    expect_inside(draw_caption({{"x", 1}}, width, height), width, height);
  }
}

TEST(Caption, IsEmptyForTinyFramesAndForNothingToSay) {
  EXPECT_TRUE(draw_caption(scripts, 15, 100).pixels.empty());
  EXPECT_TRUE(draw_caption(scripts, 100, 15).pixels.empty());
  EXPECT_TRUE(draw_caption(scripts, 0, 0).pixels.empty());
  EXPECT_TRUE(draw_caption(scripts, -5, 100).pixels.empty());
  EXPECT_TRUE(draw_caption({}, 640, 480).pixels.empty());
}

TEST(Caption, PixelsArePremultiplied) {
  const CaptionBitmap b = draw_caption(scripts, 640, 480);
  for (std::size_t i = 0; i + 3 < b.pixels.size(); i += 4) {
    ASSERT_LE(b.pixels[i], b.pixels[i + 3]);
    ASSERT_LE(b.pixels[i + 1], b.pixels[i + 3]);
    ASSERT_LE(b.pixels[i + 2], b.pixels[i + 3]);
  }
  save("scripts", b, 640, 480);
}

TEST(Caption, ShowsEveryScriptAsItsOwnPicture) {
  std::vector<std::vector<std::uint8_t>> pictures;
  for (const char* label : {"tulips", "向日葵", "زهرة", "🌻", "ромашка"}) {
    const CaptionBitmap b = draw_caption({{label, 0.5}}, 640, 480);
    EXPECT_GT(opaque_pixels(b), 20u) << label;
    for (const auto& other : pictures) EXPECT_NE(other, b.pixels) << label;
    pictures.push_back(b.pixels);
  }
}

TEST(Caption, LongLabelsAreEllipsisedAndLeaveRoomForTheNumber) {
  const std::string label(1 << 20, 'w');
  const CaptionBitmap high = draw_caption({{label, 0.999}}, 320, 240);
  const CaptionBitmap low = draw_caption({{label, 0.111}}, 320, 240);
  expect_inside(high, 320, 240);
  EXPECT_NE(high.pixels, low.pixels);
  save("long", high, 320, 240);
}

TEST(Caption, ControlCharactersAreSpacesAndBadUtf8IsShownSomehow) {
  const auto drawn = [](const std::string& label) { return draw_caption({{label, std::nan("")}}, 640, 480); };
  const CaptionBitmap spaces = drawn("a b c d");
  EXPECT_EQ(drawn("a\nb\tc\rd").height, spaces.height) << "a line break must not add a line";
  EXPECT_EQ(drawn("a\xe2\x80\xa8"
                  "b\xe2\x80\xa9"
                  "c\xc2\x85"
                  "d")
                .height,
            spaces.height);
  EXPECT_GT(opaque_pixels(drawn(std::string("nul\0inside", 10))), opaque_pixels(drawn("nul")));
  EXPECT_FALSE(drawn("bad \xff\xfe utf-8 \xe5").pixels.empty());
  EXPECT_FALSE(drawn("<b>&amp;</b>").pixels.empty());
  EXPECT_FALSE(drawn("").pixels.empty());
}

TEST(Caption, BarGrowsWithTheProbabilityAndKeepsItsColour) {
  const auto bar = [](double probability) {
    const CaptionBitmap b = draw_caption({{"daisy", probability}}, 640, 480);
    // The saturated pixels of the row in which most are.
    int longest = 0;
    std::uint32_t colour = 0;
    for (int y = 0; y < b.height; ++y) {
      int length = 0;
      for (int x = 0; x < b.width; ++x) {
        const std::uint8_t* p = b.pixels.data() + std::ptrdiff_t{y} * b.stride + std::ptrdiff_t{4} * x;
        const bool coloured =
            p[3] > 250 && std::abs(std::max({p[0], p[1], p[2]}) - std::min({p[0], p[1], p[2]})) > 60;
        length += coloured;
        if (coloured) colour = std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16;
      }
      longest = std::max(longest, length);
    }
    return std::pair{longest, colour};
  };
  EXPECT_EQ(bar(0).first, 0);
  EXPECT_GT(bar(0.5).first, bar(0.25).first);
  EXPECT_NEAR(bar(1.0).first, 2 * bar(0.5).first, 3);
  EXPECT_EQ(bar(7.0).first, bar(1.0).first);
  EXPECT_EQ(bar(0.5).second, bar(0.9).second);
  EXPECT_EQ(bar(std::nan("")).first, 0);
}

TEST(Caption, NoTwoFlowersShareTheirColour) {
  for (int id = 0; id < 5; ++id) {
    EXPECT_EQ(line_colour({"daisy", 1, id}), line_colour({"roses", 0.5, id}));
    for (int other = 0; other < id; ++other) {
      const auto a = line_colour({"", 1, id}), b = line_colour({"", 1, other});
      EXPECT_GT(std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]), 0.4) << id << other;
    }
  }
  EXPECT_NE(line_colour({"daisy", 1}), line_colour({"roses", 1})) << "without an index";
}

TEST(Caption, LinesThatDoNotFitAreLeftOut) {
  const std::vector<CaptionLine> many(200, CaptionLine{"class", 0.5});
  const CaptionBitmap b = draw_caption(many, 320, 240);
  expect_inside(b, 320, 240);
  save("many", b, 320, 240);
  save("small", draw_caption(scripts, 64, 48), 64, 48);
  save("portrait", draw_caption(scripts, 240, 426), 240, 426);
  save("smallest", draw_caption(scripts, 16, 16), 16, 16);
}

}  // namespace
}  // namespace resnet
