#include "plugin/turn.h"

#include <cstring>
#include <utility>

namespace resnet {

Turn::Turn(Orientation orientation, int width, int height)
    : transposes_(orientation == Orientation::right_90 || orientation == Orientation::left_90 ||
                  orientation == Orientation::ul_lr || orientation == Orientation::ur_ll),
      mirrors_x_(orientation == Orientation::right_90 || orientation == Orientation::half_turn ||
                 orientation == Orientation::horizontal || orientation == Orientation::ur_ll),
      mirrors_y_(orientation == Orientation::left_90 || orientation == Orientation::half_turn ||
                 orientation == Orientation::vertical || orientation == Orientation::ur_ll),
      width_(transposes_ ? height : width),
      height_(transposes_ ? width : height) {}

CaptionRegion Turn::upright(CaptionRegion region) const {
  if (transposes_) {
    std::swap(region.x, region.y);
    std::swap(region.width, region.height);
  }
  if (mirrors_x_) region.x = width_ - region.x - region.width;
  if (mirrors_y_) region.y = height_ - region.y - region.height;
  return region;
}

CaptionBitmap Turn::stored(CaptionBitmap bitmap) const {
  if (!transposes_ && !mirrors_x_ && !mirrors_y_) return bitmap;
  CaptionBitmap turned;
  turned.x = mirrors_x_ ? width_ - bitmap.x - bitmap.width : bitmap.x;
  turned.y = mirrors_y_ ? height_ - bitmap.y - bitmap.height : bitmap.y;
  turned.width = bitmap.width;
  turned.height = bitmap.height;
  if (transposes_) {
    std::swap(turned.x, turned.y);
    std::swap(turned.width, turned.height);
  }
  turned.stride = 4 * turned.width;
  turned.pixels.resize(static_cast<std::size_t>(turned.stride) * static_cast<std::size_t>(turned.height));
  std::uint8_t* out = turned.pixels.data();
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x, out += 4) {
      const int column = transposes_ ? y : x, row = transposes_ ? x : y;
      const int from_x = mirrors_x_ ? bitmap.width - 1 - column : column;
      const int from_y = mirrors_y_ ? bitmap.height - 1 - row : row;
      std::memcpy(
          out, bitmap.pixels.data() + std::ptrdiff_t{from_y} * bitmap.stride + std::ptrdiff_t{4} * from_x, 4);
    }
  }
  return turned;
}

}  // namespace resnet
