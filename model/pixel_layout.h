#ifndef RESNET_MODEL_PIXEL_LAYOUT_H
#define RESNET_MODEL_PIXEL_LAYOUT_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/image.h"

namespace resnet {

/// Where in memory the samples of one component lie.
struct SamplePlace {
  std::uint8_t plane = 0;
  std::uint8_t offset = 0;  ///< bytes before the first one of a row
  std::uint8_t step = 1;    ///< bytes from one to the next
};

/// How the pixels of a format lie in memory.
struct PixelLayout {
  PixelFormat format;
  std::string_view name;  ///< GStreamer's
  PixelKind kind;
  std::array<SamplePlace, 3> samples;            ///< packed: red, green, blue; yuv: Y, U, V; gray: the first
  bool half_width = false, half_height = false;  ///< U and V have half as many, rounded up
  int depth = 8;  ///< bits of a sample; above 8 it takes two bytes, the low one first
  int shift = 0;  ///< unused bits below them; those above are unused too
};

/// One plane, with the bytes of the channels in a pixel.
constexpr PixelLayout packed_layout(PixelFormat format, std::string_view name, std::uint8_t step,
                                    std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return {format, name, PixelKind::packed, {{{0, red, step}, {0, green, step}, {0, blue, step}}}};
}

inline constexpr std::array<SamplePlace, 3> planes_of_bytes{{{0, 0, 1}, {1, 0, 1}, {2, 0, 1}}};
inline constexpr std::array<SamplePlace, 3> planes_of_words{{{0, 0, 2}, {1, 0, 2}, {2, 0, 2}}};

/// All of them, in the order of PixelFormat.
// clang-format off
inline constexpr std::array pixel_layouts{
    packed_layout(PixelFormat::RGB, "RGB", 3, 0, 1, 2),
    packed_layout(PixelFormat::BGR, "BGR", 3, 2, 1, 0),
    packed_layout(PixelFormat::RGBx, "RGBx", 4, 0, 1, 2),
    packed_layout(PixelFormat::BGRx, "BGRx", 4, 2, 1, 0),
    packed_layout(PixelFormat::xRGB, "xRGB", 4, 1, 2, 3),
    packed_layout(PixelFormat::xBGR, "xBGR", 4, 3, 2, 1),
    packed_layout(PixelFormat::RGBA, "RGBA", 4, 0, 1, 2),
    packed_layout(PixelFormat::BGRA, "BGRA", 4, 2, 1, 0),
    packed_layout(PixelFormat::ARGB, "ARGB", 4, 1, 2, 3),
    packed_layout(PixelFormat::ABGR, "ABGR", 4, 3, 2, 1),
    PixelLayout{PixelFormat::GRAY8, "GRAY8", PixelKind::gray, {}},
    PixelLayout{PixelFormat::NV12, "NV12", PixelKind::yuv, {{{0, 0, 1}, {1, 0, 2}, {1, 1, 2}}}, true, true},
    PixelLayout{PixelFormat::NV21, "NV21", PixelKind::yuv, {{{0, 0, 1}, {1, 1, 2}, {1, 0, 2}}}, true, true},
    PixelLayout{PixelFormat::I420, "I420", PixelKind::yuv, planes_of_bytes, true, true},
    PixelLayout{PixelFormat::YV12, "YV12", PixelKind::yuv, {{{0, 0, 1}, {2, 0, 1}, {1, 0, 1}}}, true, true},
    PixelLayout{PixelFormat::Y42B, "Y42B", PixelKind::yuv, planes_of_bytes, true, false},
    PixelLayout{PixelFormat::Y444, "Y444", PixelKind::yuv, planes_of_bytes, false, false},
    PixelLayout{PixelFormat::YUY2, "YUY2", PixelKind::yuv, {{{0, 0, 2}, {0, 1, 4}, {0, 3, 4}}}, true, false},
    PixelLayout{PixelFormat::UYVY, "UYVY", PixelKind::yuv, {{{0, 1, 2}, {0, 0, 4}, {0, 2, 4}}}, true, false},
    PixelLayout{PixelFormat::P010_10LE, "P010_10LE", PixelKind::yuv, {{{0, 0, 2}, {1, 0, 4}, {1, 2, 4}}}, true, true, 10, 6},
    PixelLayout{PixelFormat::I420_10LE, "I420_10LE", PixelKind::yuv, planes_of_words, true, true, 10},
    PixelLayout{PixelFormat::I422_10LE, "I422_10LE", PixelKind::yuv, planes_of_words, true, false, 10}};
// clang-format on

static_assert([] {
  std::size_t i = 0;
  return std::ranges::all_of(pixel_layouts, [&i](const PixelLayout& layout) {
    return layout.format == static_cast<PixelFormat>(i++);
  });
}());

constexpr const PixelLayout& layout_of(PixelFormat format) {
  return pixel_layouts[static_cast<std::size_t>(format)];
}

/// Bytes of a row, and rows, of one plane.
struct PlaneSize {
  std::ptrdiff_t row_bytes = 0;
  int rows = 0;
};

/// Of a picture of that size; 0 where the format lacks the plane. For even sizes also where, in bytes and
/// rows, the pixel at (width, height) lies in that plane.
constexpr PlaneSize plane_size(PixelFormat format, int width, int height, std::size_t plane) {
  const PixelLayout& layout = layout_of(format);
  PlaneSize size;
  for (std::size_t i = 0; i < layout.samples.size(); ++i) {
    const SamplePlace& place = layout.samples[i];
    if (place.plane != plane || (i > 0 && layout.kind == PixelKind::gray)) continue;
    const int columns = i > 0 && layout.half_width ? (width + 1) / 2 : width;
    size.row_bytes = std::max(size.row_bytes, std::ptrdiff_t{place.step} * columns);
    size.rows = i > 0 && layout.half_height ? (height + 1) / 2 : height;
  }
  return size;
}

}  // namespace resnet

#endif
