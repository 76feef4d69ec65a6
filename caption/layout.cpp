#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "caption/caption.h"

namespace resnet {

namespace {

struct Box {
  int left = 0, top = 0, right = 0, bottom = 0;
};

Box box_of(const CaptionBitmap& bitmap) {
  return {bitmap.x, bitmap.y, bitmap.x + bitmap.width, bitmap.y + bitmap.height};
}

Box common(const Box& a, const Box& b) {
  return {std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right),
          std::min(a.bottom, b.bottom)};
}

bool is_empty(const Box& box) { return box.left >= box.right || box.top >= box.bottom; }

std::int64_t area(const Box& box) {
  return is_empty(box) ? 0 : std::int64_t{box.right - box.left} * (box.bottom - box.top);
}

/// Of an outline, in pixels.
struct Measures {
  int line, edge;
};

Measures measures_for(int frame_width, int frame_height) {
  const int line = std::max(2, std::min(frame_width, frame_height) / 240);
  return {line, (line + 1) / 2};
}

/// A region's outline, from the outside inwards: a dark edge, the colour, a dark edge.
struct Outline {
  Box box;  // of the region
  int line, edge;
  std::array<std::uint8_t, 4> colour;  // B, G, R, A

  std::array<std::uint8_t, 4> pixel(int x, int y) const {
    const int depth = std::min({x - box.left, box.right - 1 - x, y - box.top, box.bottom - 1 - y});
    if (depth >= 0 && depth < line) return colour;
    return {0, 0, 0, 166};  // as dark as the plates
  }

  /// The part of it inside `part` and the frame.
  CaptionBitmap draw(const Box& part, int frame_width, int frame_height) const {
    const Box inside = common(part, {0, 0, frame_width, frame_height});
    CaptionBitmap bitmap;
    if (is_empty(inside)) return bitmap;
    bitmap.x = inside.left;
    bitmap.y = inside.top;
    bitmap.width = inside.right - inside.left;
    bitmap.height = inside.bottom - inside.top;
    bitmap.stride = 4 * bitmap.width;
    bitmap.pixels.reserve(static_cast<std::size_t>(bitmap.stride) * static_cast<std::size_t>(bitmap.height));
    for (int y = inside.top; y < inside.bottom; ++y) {
      for (int x = inside.left; x < inside.right; ++x) {
        const std::array<std::uint8_t, 4> value = pixel(x, y);
        bitmap.pixels.insert(bitmap.pixels.end(), value.begin(), value.end());
      }
    }
    return bitmap;
  }
};

void add_outline(const CaptionRegion& region, int frame_width, int frame_height,
                 std::vector<CaptionBitmap>& bitmaps) {
  const auto [line, edge] = measures_for(frame_width, frame_height);
  const std::array<double, 3> colour = line_colour(region.line);
  const auto byte = [&colour](std::size_t i) {
    return static_cast<std::uint8_t>(std::lround(colour[i] * 255));
  };
  const Box box{region.x, region.y, region.x + region.width, region.y + region.height};
  const Outline outline{box, line, edge, {byte(2), byte(1), byte(0), 255}};
  const Box outer{box.left - edge, box.top - edge, box.right + edge, box.bottom + edge};
  // In a region smaller than its outline the bars meet.
  const int wide = line + 2 * edge;
  const int below_top = std::min(outer.top + wide, outer.bottom);
  const int above_bottom = std::max(outer.bottom - wide, below_top);
  const int after_left = std::min(outer.left + wide, outer.right);
  const int before_right = std::max(outer.right - wide, after_left);
  for (const Box& part : {Box{outer.left, outer.top, outer.right, below_top},
                          Box{outer.left, above_bottom, outer.right, outer.bottom},
                          Box{outer.left, below_top, after_left, above_bottom},
                          Box{before_right, below_top, outer.right, above_bottom}}) {
    bitmaps.push_back(outline.draw(part, frame_width, frame_height));
  }
}

/// Puts a region's plate above it, or where it meets the least of the others.
void place(CaptionBitmap& plate, const CaptionRegion& region, const std::vector<CaptionBitmap>& others,
           int frame_width, int frame_height) {
  const Measures m = measures_for(frame_width, frame_height);
  const int top = region.y, bottom = region.y + region.height;
  std::vector<int> candidates{top - m.edge - plate.height, top + m.line + m.edge,
                              bottom - m.line - m.edge - plate.height, bottom + m.edge};
  for (const CaptionBitmap& other : others) candidates.push_back(other.y + other.height);
  const int lowest = std::max(0, frame_height - plate.height);
  plate.x = std::clamp(region.x, 0, std::max(0, frame_width - plate.width));
  int best = std::clamp(candidates[1], 0, lowest);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const int y : candidates) {
    if (y < 0 || y > lowest) continue;
    plate.y = y;
    // Hidden pixels, and how far from its region it is: a plate's height away is as bad as a quarter hidden.
    const int distance = std::max({top - m.edge - plate.height - y, y - bottom - m.edge, 0});
    std::int64_t cost = std::int64_t{distance} * plate.width / 4;
    for (const CaptionBitmap& other : others) cost += area(common(box_of(plate), box_of(other)));
    if (cost < least) {
      least = cost;
      best = y;
    }
  }
  plate.y = best;
}

/// Moves a caption below others of so many lines each, as far as there is room.
void move_below(CaptionBitmap& caption, const std::vector<std::size_t>& above, int frame_width,
                int frame_height) {
  const int gap = caption.y / 2;
  for (const std::size_t lines : above) {
    caption.y += draw_caption(std::vector<CaptionLine>(lines), frame_width, frame_height).height + gap;
  }
  caption.y = std::min(caption.y, frame_height - caption.height);
}

/// Makes the bitmap transparent where something is in front of it.
void cut(CaptionBitmap& bitmap, const CaptionBitmap& front) {
  const Box both = common(box_of(bitmap), box_of(front));
  if (is_empty(both)) return;
  for (int y = both.top - bitmap.y; y < both.bottom - bitmap.y; ++y) {
    const auto row = bitmap.pixels.begin() + std::ptrdiff_t{y} * bitmap.stride;
    std::fill(row + std::ptrdiff_t{4} * (both.left - bitmap.x),
              row + std::ptrdiff_t{4} * (both.right - bitmap.x), std::uint8_t{0});
  }
}

}  // namespace

std::vector<CaptionBitmap> draw_overlay(const std::vector<CaptionLine>& lines,
                                        const std::vector<CaptionRegion>& regions, int frame_width,
                                        int frame_height, const std::vector<std::size_t>& above) {
  std::vector<CaptionBitmap> outlines, plates;  // what was placed first is in front
  plates.push_back(draw_caption(lines, frame_width, frame_height));
  move_below(plates.back(), above, frame_width, frame_height);
  for (const CaptionRegion& region : regions) {
    add_outline(region, frame_width, frame_height, outlines);
    CaptionBitmap plate = draw_caption({region.line}, frame_width, frame_height);
    place(plate, region, plates, frame_width, frame_height);
    plates.push_back(std::move(plate));
  }
  for (std::size_t i = 0; i < plates.size(); ++i) {
    for (CaptionBitmap& outline : outlines) cut(outline, plates[i]);
    for (std::size_t j = i + 1; j < plates.size(); ++j) cut(plates[j], plates[i]);
  }
  outlines.insert(outlines.end(), plates.begin(), plates.end());
  std::erase_if(outlines, [](const CaptionBitmap& bitmap) { return bitmap.pixels.empty(); });
  return outlines;
}

}  // namespace resnet
