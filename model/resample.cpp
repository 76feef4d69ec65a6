#include "model/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "model/error.h"

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

template <typename Element>
std::uint32_t bits_of(float value) {
  const auto element = static_cast<Element>(value);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &element, sizeof element);
  if constexpr (sizeof element == 2) {  // the low half, whatever the byte order
    std::uint16_t half = 0;
    std::memcpy(&half, &element, sizeof half);
    bits = half;
  }
  return bits;
}

std::uint32_t input_bits(TensorType type, float value, std::size_t pixel) {
  switch (type) {
    case TensorType::fp32:
      return bits_of<float>(value);
    case TensorType::fp16:
      return bits_of<c10::Half>(value);
    case TensorType::bf16:
      return bits_of<c10::BFloat16>(value);
    case TensorType::u8:
      break;
  }
  return static_cast<std::uint32_t>(pixel);
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
  c.scale = scale;
  c.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  const auto outputs = static_cast<std::size_t>(out_end - out_begin), taps = static_cast<std::size_t>(c.taps);
  c.first.resize(outputs);
  c.count.resize(outputs);
  c.weights.assign(outputs * taps, 0);
  std::vector<double> weights(taps);
  for (std::size_t i = 0; i < outputs; ++i) {
    const double center = begin + (out_begin + static_cast<int>(i) + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int count = std::min(static_cast<int>(center + support + 0.5), in_size) - first;
    double total = 0;
    for (int k = 0; k < count; ++k) {
      const double x = (k + first - center + 0.5) * inverse;
      weights[static_cast<std::size_t>(k)] = bicubic ? bicubic_filter(x) : bilinear_filter(x);
      total += weights[static_cast<std::size_t>(k)];
    }
    c.first[i] = first;
    c.count[i] = count;
    for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
      c.weights[i * taps + k] = to_fixed(total != 0 ? weights[k] / total : weights[k]);
    }
  }
  return c;
}

Geometry make_geometry(int width, int height, const Preprocessing& p) {
  const auto longer = [&](int long_side, int short_side) {
    return static_cast<int>(static_cast<std::int64_t>(p.resize_size) * long_side / short_side);
  };
  const bool stretch = p.fit == Fit::stretch;
  Geometry g;
  g.width = stretch || width <= height ? p.resize_size : longer(width, height);
  g.height = stretch || width > height ? p.resize_size : longer(height, width);
  g.left = static_cast<int>(std::nearbyint((g.width - p.crop_size) / 2.0));
  g.top = static_cast<int>(std::nearbyint((g.height - p.crop_size) / 2.0));
  return g;
}

int square_pixel_width(int width, double pixel_aspect) {
  if (!(pixel_aspect >= 0.01 && pixel_aspect <= 100)) {
    throw Error(ErrorCode::unsupported, "a pixel aspect ratio of " + std::to_string(pixel_aspect) +
                                            " is not possible; expected 0.01 to 100");
  }
  return std::max(1, static_cast<int>(std::lround(width * pixel_aspect)));
}

ResamplePlan make_resample_plan(int width, int height, double pixel_aspect, const Preprocessing& p) {
  const Geometry g = make_geometry(square_pixel_width(width, pixel_aspect), height, p);
  ResamplePlan plan;
  plan.columns = make_coefficients(width, 0, width, g.width, g.left, g.left + p.crop_size, p.interpolation);
  plan.rows = make_coefficients(height, 0, height, g.height, g.top, g.top + p.crop_size, p.interpolation);
  ResampleJob& job = plan.job;
  job.columns = plan.columns.view();
  job.rows = plan.rows.view();
  job.vertical_first = is_vertical_first(width, height, g.width, g.height);
  job.crop = p.crop_size;
  job.first_column = plan.columns.begin();
  job.first_row = plan.rows.begin();
  job.between_width = job.vertical_first ? plan.columns.end() - plan.columns.begin() : p.crop_size;
  job.between_height = job.vertical_first ? p.crop_size : plan.rows.end() - plan.rows.begin();
  return plan;
}

void check_preprocessing(const Preprocessing& p) {
  if (p.crop_size < 1 || p.crop_size > p.resize_size || p.resize_size > max_input_size) {
    throw Error(ErrorCode::unsupported, "a crop of " + std::to_string(p.crop_size) + " after a resize to " +
                                            std::to_string(p.resize_size) +
                                            " is not possible; expected 1 ≤ crop ≤ resize ≤ " +
                                            std::to_string(max_input_size));
  }
}

ValueTable make_value_table(const Preprocessing& p, TensorType type) {
  ValueTable values{};
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t pixel = 0; pixel < 256; ++pixel) {
      const float value = (static_cast<float>(pixel) / 255.0f - p.mean[channel]) / p.std[channel];
      values[channel * 256 + pixel] = input_bits(type, value, pixel);
    }
  }
  return values;
}

}  // namespace resnet
