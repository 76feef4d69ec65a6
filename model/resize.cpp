#include <algorithm>
#include <cmath>
#include <string>

#include "model/error.h"
#include "model/preprocess.h"
#include "model/resample.h"

namespace resnet {

namespace {

double bilinear_filter(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}

// Keys' cubic with a = −0.5, as in Pillow.
double bicubic_filter(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

std::int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << coefficient_bits);
  return static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

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
      std::int32_t sum[3] = {1 << (coefficient_bits - 1), 1 << (coefficient_bits - 1),
                             1 << (coefficient_bits - 1)};
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
    std::fill(sum.begin(), sum.end(), 1 << (coefficient_bits - 1));
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

Coefficients make_coefficients(int in_size, double in_begin, double in_end, int out_size, int out_begin,
                               int out_end, Interpolation interpolation) {
  const bool bicubic = interpolation == Interpolation::bicubic;
  // Pillow keeps a box in floats.
  const auto begin = static_cast<float>(in_begin), end = static_cast<float>(in_end);
  const double scale = static_cast<double>(end - begin) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = (bicubic ? 2.0 : 1.0) * filter_scale;
  const double inverse = 1.0 / filter_scale;
  Coefficients c;
  c.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  const auto outputs = static_cast<std::size_t>(out_end - out_begin);
  c.first.resize(outputs);
  c.count.resize(outputs);
  c.weights.assign(outputs * static_cast<std::size_t>(c.taps), 0);
  std::vector<double> weights(static_cast<std::size_t>(c.taps));
  for (std::size_t i = 0; i < outputs; ++i) {
    const double center = begin + (out_begin + static_cast<int>(i) + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int count = std::min(static_cast<int>(center + support + 0.5), in_size) - first;
    double total = 0;
    for (int k = 0; k < count; ++k) {
      const double x = (k + first - center + 0.5) * inverse;
      const double weight = bicubic ? bicubic_filter(x) : bilinear_filter(x);
      weights[static_cast<std::size_t>(k)] = weight;
      total += weight;
    }
    c.first[i] = first;
    c.count[i] = count;
    for (int k = 0; k < count; ++k) {
      const double weight = weights[static_cast<std::size_t>(k)];
      c.weights[i * static_cast<std::size_t>(c.taps) + static_cast<std::size_t>(k)] =
          to_fixed(total != 0 ? weight / total : weight);
    }
  }
  return c;
}

RgbPicture resize(const Image& rgb, int width, int height, Interpolation interpolation, const Box& box) {
  check(rgb, width, height, box);
  // Pillow skips a pass that would change nothing.
  const bool horizontal = width != rgb.width || box.left != 0 || box.right != width;
  const bool vertical = height != rgb.height || box.top != 0 || box.bottom != height;
  if (!vertical && !horizontal) return copy(rgb);
  const Coefficients rows =
      make_coefficients(rgb.height, box.top, box.bottom, height, 0, height, interpolation);
  const int first_row = vertical ? rows.first.front() : 0;
  const int last_row = vertical ? rows.first.back() + rows.count.back() : rgb.height;
  if (!horizontal) return resize_columns(rgb, 0, rows);
  const Coefficients columns =
      make_coefficients(rgb.width, box.left, box.right, width, 0, width, interpolation);
  RgbPicture narrowed = resize_rows(rgb, first_row, last_row - first_row, columns);
  return vertical ? resize_columns(view(narrowed), first_row, rows) : narrowed;
}

Geometry make_geometry(int width, int height, const Preprocessing& p) {
  const auto longer = [&](int long_side, int short_side) {
    return static_cast<int>(static_cast<std::int64_t>(p.resize_size) * long_side / short_side);
  };
  Geometry g;
  g.width = width <= height ? p.resize_size : longer(width, height);
  g.height = width <= height ? longer(height, width) : p.resize_size;
  g.left = static_cast<int>(std::nearbyint((g.width - p.crop_size) / 2.0));
  g.top = static_cast<int>(std::nearbyint((g.height - p.crop_size) / 2.0));
  return g;
}

}  // namespace resnet
