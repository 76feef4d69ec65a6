#include "tests/model/frames.h"

#include <algorithm>

#include "model/pixel_layout.h"
#include "model/yuv.h"

namespace resnet {

namespace {

void add_plane(Frame& frame, std::size_t plane, int row_bytes, int rows,
               const std::vector<std::uint8_t>& pixels, RowLayout layout) {
  const std::size_t stride = static_cast<std::size_t>(row_bytes) + static_cast<std::size_t>(layout.padding);
  std::vector<std::uint8_t>& memory = frame.memory[plane];
  memory.assign(stride * static_cast<std::size_t>(rows), 0xAB);
  for (int y = 0; y < rows; ++y) {
    const int at = layout.bottom_up ? rows - 1 - y : y;
    std::copy_n(pixels.begin() + std::ptrdiff_t{y} * row_bytes, row_bytes,
                memory.begin() + at * static_cast<std::ptrdiff_t>(stride));
  }
  const auto signed_stride = static_cast<std::ptrdiff_t>(stride);
  frame.image.planes[plane] = layout.bottom_up
                                  ? Plane{memory.data() + (rows - 1) * signed_stride, -signed_stride}
                                  : Plane{memory.data(), signed_stride};
}

}  // namespace

std::vector<std::uint8_t> make_pixels(int width, int height, std::uint64_t seed) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  for (std::uint64_t i = 0; i < pixels.size(); ++i) {
    std::uint64_t value = ((i * 2654435761U + seed * 40503U) & 0xFFFFFFFFU) >> 13;
    value = ((value * value + i) & 0xFFFFFFFFU) >> 7;
    const auto noise = static_cast<std::uint8_t>(value & 255);
    pixels[i] = seed % 3 == 0 ? (noise > 127 ? std::uint8_t{255} : std::uint8_t{0}) : noise;
  }
  return pixels;
}

Frame make_rgb_frame(int width, int height, std::uint64_t seed, RowLayout layout) {
  Frame frame;
  frame.image.width = width;
  frame.image.height = height;
  add_plane(frame, 0, width * 3, height, make_pixels(width, height, seed), layout);
  return frame;
}

Frame make_frame(PixelFormat format, int width, int height, std::uint64_t seed, RowLayout layout) {
  Frame frame;
  frame.image.format = format;
  frame.image.width = width;
  frame.image.height = height;
  for (std::size_t plane = 0; plane < frame.image.planes.size(); ++plane) {
    const PlaneSize size = plane_size(format, width, height, plane);
    if (size.rows == 0) continue;
    // Noise of enough bytes, in all bits.
    const std::vector<std::uint8_t> noise = make_pixels(width + 2, 2 * height, seed + 100 * plane);
    add_plane(frame, plane, static_cast<int>(size.row_bytes), size.rows, noise, layout);
  }
  return frame;
}

Preprocessing make_preprocessing(int resize_size, int crop_size, Interpolation interpolation) {
  Preprocessing preprocessing;
  preprocessing.resize_size = resize_size;
  preprocessing.crop_size = crop_size;
  preprocessing.interpolation = interpolation;
  return preprocessing;
}

std::vector<PixelFormat> all_formats() {
  std::vector<PixelFormat> formats;
  for (const PixelLayout& layout : pixel_layouts) formats.push_back(layout.format);
  return formats;
}

std::vector<PixelFormat> yuv_formats() {
  std::vector<PixelFormat> formats = all_formats();
  std::erase_if(formats, [](PixelFormat format) { return layout_of(format).kind == PixelKind::packed; });
  return formats;
}

Image view(const RgbPicture& picture) {
  Image image;
  image.width = picture.width;
  image.height = picture.height;
  image.planes[0] = {picture.pixels.data(), std::ptrdiff_t{3} * picture.width};
  return image;
}

RgbPicture to_rgb(const Image& image) {
  const PixelSource source = make_pixel_source(image);
  RgbPicture picture{image.width, image.height, {}};
  picture.pixels.resize(std::size_t{3} * static_cast<std::size_t>(image.width) *
                        static_cast<std::size_t>(image.height));
  std::uint8_t* to = picture.pixels.data();
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x, to += 3) load_rgb(source, x, y, to);
  }
  return picture;
}

std::string name(PixelFormat format) { return std::string(layout_of(format).name); }

}  // namespace resnet
