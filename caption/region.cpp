#include <algorithm>
#include <cmath>

#include "caption/caption.h"

namespace resnet {

namespace {

// A rectangle of one opaque colour, cut off at the frame's edges.
CaptionBitmap draw_bar(int left, int top, int right, int bottom, const std::array<double, 3>& colour,
                       int frame_width, int frame_height) {
  CaptionBitmap bar;
  bar.x = std::clamp(left, 0, frame_width);
  bar.y = std::clamp(top, 0, frame_height);
  bar.width = std::clamp(right, bar.x, frame_width) - bar.x;
  bar.height = std::clamp(bottom, bar.y, frame_height) - bar.y;
  bar.stride = 4 * bar.width;
  bar.pixels.resize(static_cast<std::size_t>(bar.stride) * static_cast<std::size_t>(bar.height));
  for (std::size_t i = 0; i < bar.pixels.size(); i += 4) {
    for (std::size_t c = 0; c < 3; ++c) {
      bar.pixels[i + c] = static_cast<std::uint8_t>(std::lround(colour[2 - c] * 255));
    }
    bar.pixels[i + 3] = 255;
  }
  return bar;
}

}  // namespace

std::vector<CaptionBitmap> draw_region(const CaptionRegion& region, int frame_width, int frame_height) {
  const std::array<double, 3> colour = label_colour(region.line.label);
  const int line = std::max(2, std::min(frame_width, frame_height) / 240);
  const int left = region.x, top = region.y;
  const int right = region.x + region.width, bottom = region.y + region.height;
  std::vector<CaptionBitmap> bitmaps;
  const auto add_bar = [&](int x0, int y0, int x1, int y1) {
    bitmaps.push_back(draw_bar(x0, y0, x1, y1, colour, frame_width, frame_height));
  };
  add_bar(left, top, right, top + line);
  add_bar(left, bottom - line, right, bottom);
  add_bar(left, top + line, left + line, bottom - line);
  add_bar(right - line, top + line, right, bottom - line);
  CaptionBitmap plate = draw_caption({region.line}, frame_width, frame_height);
  // Above the region where there is room, else inside it.
  plate.x = std::clamp(left, 0, std::max(0, frame_width - plate.width));
  plate.y = top >= plate.height ? top - plate.height
                                : std::clamp(top + line, 0, std::max(0, frame_height - plate.height));
  bitmaps.push_back(std::move(plate));
  std::erase_if(bitmaps, [](const CaptionBitmap& bitmap) { return bitmap.pixels.empty(); });
  return bitmaps;
}

}  // namespace resnet
