#include <algorithm>
#include <string>

#include "model/error.h"
#include "model/preprocess.h"
#include "model/resample.h"

namespace resnet {

namespace {

RgbPicture copy(const Image& rgb) {
  RgbPicture picture{rgb.width, rgb.height, {}};
  const auto row_bytes = static_cast<std::size_t>(rgb.width) * 3;
  picture.pixels.resize(row_bytes * static_cast<std::size_t>(rgb.height));
  for (int y = 0; y < rgb.height; ++y) {
    std::copy_n(rgb.planes[0].data + y * rgb.planes[0].stride, row_bytes,
                picture.pixels.data() + row_bytes * static_cast<std::size_t>(y));
  }
  return picture;
}

Image view(const RgbPicture& picture) {
  Image image;
  image.width = picture.width;
  image.height = picture.height;
  image.planes[0] = {picture.pixels.data(), static_cast<std::ptrdiff_t>(picture.width) * 3};
  return image;
}

RgbPicture resize_rows(const Image& in, int first_row, int rows, const Coefficients& c) {
  RgbPicture out{static_cast<int>(c.first.size()), rows, {}};
  out.pixels.resize(c.first.size() * 3 * static_cast<std::size_t>(rows));
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < rows; ++y) {
    const std::uint8_t* row = in.planes[0].data + (y + first_row) * in.planes[0].stride;
    for (std::size_t x = 0; x < c.first.size(); ++x, to += 3) {
      const std::int32_t* weight = &c.weights[x * static_cast<std::size_t>(c.taps)];
      const std::uint8_t* from = row + std::ptrdiff_t{3} * c.first[x];
      std::int32_t sum[3] = {coefficient_half, coefficient_half, coefficient_half};
      for (int k = 0; k < c.count[x]; ++k, from += 3) {
        for (int channel = 0; channel < 3; ++channel) sum[channel] += from[channel] * weight[k];
      }
      for (int channel = 0; channel < 3; ++channel) to[channel] = clip_coefficient_sum(sum[channel]);
    }
  }
  return out;
}

RgbPicture resize_columns(const Image& in, int first_row, const Coefficients& c) {
  const auto row_bytes = static_cast<std::size_t>(in.width) * 3;
  RgbPicture out{in.width, static_cast<int>(c.first.size()), {}};
  out.pixels.resize(row_bytes * c.first.size());
  std::vector<std::int32_t> sum(row_bytes);
  for (std::size_t y = 0; y < c.first.size(); ++y) {
    std::fill(sum.begin(), sum.end(), coefficient_half);
    for (int k = 0; k < c.count[y]; ++k) {
      const std::uint8_t* row = in.planes[0].data + (c.first[y] + k - first_row) * in.planes[0].stride;
      const std::int32_t weight =
          c.weights[y * static_cast<std::size_t>(c.taps) + static_cast<std::size_t>(k)];
      for (std::size_t i = 0; i < row_bytes; ++i) sum[i] += row[i] * weight;
    }
    std::transform(sum.begin(), sum.end(), out.pixels.begin() + static_cast<std::ptrdiff_t>(y * row_bytes),
                   clip_coefficient_sum);
  }
  return out;
}

void check(const Image& rgb, int width, int height, const Box& box) {
  const bool inside = box.left >= 0 && box.top >= 0 && box.right <= rgb.width && box.bottom <= rgb.height &&
                      box.right > box.left && box.bottom > box.top;
  if (rgb.format != PixelFormat::RGB || width < 1 || height < 1 || width > 32768 || height > 32768 ||
      !inside) {
    throw Error(ErrorCode::unsupported,
                "resize to " + std::to_string(width) + "×" + std::to_string(height) +
                    " needs an RGB picture, sides of 1 to 32768 and a box inside the picture");
  }
}

}  // namespace

RgbPicture resize(const Image& rgb, int width, int height, Interpolation interpolation, const Box& box) {
  check(rgb, width, height, box);
  // Pillow skips a pass that would change nothing.
  const bool horizontal = width != rgb.width || box.left != 0 || box.right != width;
  const bool vertical = height != rgb.height || box.top != 0 || box.bottom != height;
  if (!vertical && !horizontal) return copy(rgb);
  const Coefficients rows =
      make_coefficients(rgb.height, box.top, box.bottom, height, 0, height, interpolation);
  if (!horizontal) return resize_columns(rgb, 0, rows);
  const Coefficients columns =
      make_coefficients(rgb.width, box.left, box.right, width, 0, width, interpolation);
  if (!vertical) return resize_rows(rgb, 0, rgb.height, columns);
  if (is_vertical_first(rgb.width, rgb.height, width, height)) {
    const RgbPicture shortened = resize_columns(rgb, 0, rows);
    return resize_rows(view(shortened), 0, height, columns);
  }
  const RgbPicture narrowed = resize_rows(rgb, rows.begin(), rows.end() - rows.begin(), columns);
  return resize_columns(view(narrowed), rows.begin(), rows);
}

}  // namespace resnet
