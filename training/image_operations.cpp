#include "training/image_operations.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "model/error.h"
#include "model/vectorise.h"

namespace resnet {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Table = std::array<std::uint8_t, 256>;

/// Pillow's Image.blend for one byte: truncated, clipped when the factor leaves 0…1.
template <typename Real>
std::uint8_t blend(Real from, Real to, Real factor) {
  const Real value = from + factor * (to - from);
  const Real above = value < 0 ? 0 : value;
  return static_cast<std::uint8_t>(static_cast<int>(above > 255 ? 255 : above));
}

template <typename Real>
void blend_from(const Bytes& from, Bytes& pixels, Real factor) {
  const std::uint8_t* other = from.data();
  std::uint8_t* own = pixels.data();
  const std::size_t size = pixels.size();  // bytes written could be the vector's own, for all g++ knows
  for (std::size_t i = 0; i < size; ++i) {
    own[i] = blend<Real>(other[i], own[i], factor);
  }
}

/// Pillow's convert("L").
std::uint32_t luma(const std::uint8_t* rgb) {
  return (rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16;
}

template <typename Function>
Table tabulate(const Function& function) {
  Table table{};
  for (int value = 0; value < 256; ++value) {
    table[static_cast<std::size_t>(value)] = static_cast<std::uint8_t>(function(value));
  }
  return table;
}

void look_up(Bytes& pixels, const std::array<Table, 3>& tables) {
  std::uint8_t* pixel = pixels.data();
  for (std::uint8_t* const end = pixel + pixels.size(); pixel != end; pixel += 3) {
    pixel[0] = tables[0][pixel[0]];
    pixel[1] = tables[1][pixel[1]];
    pixel[2] = tables[2][pixel[2]];
  }
}

void look_up(Bytes& pixels, const Table& table) { look_up(pixels, {table, table, table}); }

/// The x, first…last−1, at which a value that rises or falls with x is in its range.
struct Span {
  std::int64_t first, last;
};

/// ⌈a ÷ b⌉ for b > 0.
std::int64_t divide_up(std::int64_t a, std::int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

/// Leaves the x with 0 ≤ start + x·step < limit.
void narrow(Span& span, std::int64_t start, std::int64_t step, std::int64_t limit) {
  if (step < 0) {
    start = limit - 1 - start;
    step = -step;
  }
  if (step > 0) {
    span.first = std::max(span.first, divide_up(-start, step));
    span.last = std::min(span.last, divide_up(limit - start, step));
  } else if (start < 0 || start >= limit) {
    span.last = span.first;
  }
}

/// Where a pixel of the result comes from: (x, y) from (xx·x + xy·y + x0, yx·x + yy·y + y0), all counted from
/// the upper left corner of the picture, so that a pixel's centre is at its half.
struct InverseAffine {
  double xx = 1, xy = 0, x0 = 0;
  double yx = 0, yy = 1, y0 = 0;
};

/// Pillow's transform() with the nearest pixel and black fill: 16 bits after the point, steps added up.
void transform(RgbPicture& picture, const InverseAffine& from, Bytes& scratch) {
  constexpr std::int64_t kOne = 65536;
  const auto fixed = [](double v) { return static_cast<std::int64_t>(std::floor(v * double{kOne} + 0.5)); };
  const std::int64_t step_x = fixed(from.xx);
  const std::int64_t step_y = fixed(from.yx);
  std::int64_t row_x = fixed(from.x0 + from.xx * 0.5 + from.xy * 0.5);
  std::int64_t row_y = fixed(from.y0 + from.yx * 0.5 + from.yy * 0.5);
  scratch.assign(picture.pixels.size(), 0);
  const std::ptrdiff_t stride = std::ptrdiff_t{3} * picture.width;
  std::uint8_t* out = scratch.data();
  for (int y = 0; y < picture.height; ++y, out += stride) {
    Span span{0, picture.width};
    narrow(span, row_x, step_x, picture.width * kOne);
    narrow(span, row_y, step_y, picture.height * kOne);
    const std::uint8_t* in = picture.pixels.data();
    if (step_x == kOne && step_y == 0 && span.first < span.last) {
      std::copy_n(in + (row_y >> 16) * stride + ((row_x >> 16) + span.first) * 3,
                  (span.last - span.first) * 3, out + span.first * 3);
    } else {
      std::int64_t at_x = row_x + span.first * step_x;
      std::int64_t at_y = row_y + span.first * step_y;
      for (std::int64_t x = span.first; x < span.last; ++x, at_x += step_x, at_y += step_y) {
        std::copy_n(in + (at_y >> 16) * stride + (at_x >> 16) * 3, 3, out + x * 3);
      }
    }
    row_x += fixed(from.xy);
    row_y += fixed(from.yy);
  }
  picture.pixels.swap(scratch);
}

constexpr double kRadiansPerDegree = std::numbers::pi / 180;

/// Through degrees and back, as torchvision goes, and so with its last bits.
double shear_angle(double magnitude) {
  return std::atan(magnitude) * (180 / std::numbers::pi) * kRadiansPerDegree;
}

void shear_x(RgbPicture& picture, double magnitude, Bytes& scratch) {
  transform(picture, {.xy = std::tan(shear_angle(magnitude))}, scratch);
}

void shear_y(RgbPicture& picture, double magnitude, Bytes& scratch) {
  const double angle = shear_angle(magnitude);
  transform(picture, {.yx = std::sin(angle) / std::cos(angle)}, scratch);
}

/// Pillow's rotate().
void rotate(RgbPicture& picture, double degrees, Bytes& scratch) {
  const double within = std::fmod(degrees, 360.0);
  const double angle = -(within < 0 ? within + 360.0 : within) * kRadiansPerDegree;
  const auto rounded = [](double v) { return std::nearbyint(v * 1e15) / 1e15; };
  const double cosine = rounded(std::cos(angle));
  const double sine = rounded(std::sin(angle));
  const double x = picture.width / 2.0;
  const double y = picture.height / 2.0;
  transform(picture, {cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y},
            scratch);
}

/// Pillow's ImageFilter.SMOOTH: the mean of nine pixels, the middle one five times; the border stays. The sum
/// is a whole number, so that rounding has no ties and needs no floating point.
RESNET_VECTORISE void smooth_row(const std::uint8_t* row, std::ptrdiff_t stride, std::ptrdiff_t n,
                                 std::uint8_t* out) {
  const std::uint8_t* above = row - stride;
  const std::uint8_t* below = row + stride;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const int sum = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] +
                    below[i - 3] + below[i] + below[i + 3];
    out[i] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(2 * sum + 13) / 26);
  }
}

void adjust_sharpness(RgbPicture& picture, float factor, Bytes& scratch) {
  scratch = picture.pixels;
  const std::ptrdiff_t stride = std::ptrdiff_t{3} * picture.width;
  for (int y = 1; y < picture.height - 1 && picture.width > 2; ++y) {
    const std::ptrdiff_t start = y * stride + 3;
    smooth_row(picture.pixels.data() + start, stride, stride - 6, scratch.data() + start);
  }
  blend_from(scratch, picture.pixels, factor);
}

void posterize(RgbPicture& picture, int bits) {
  if (bits < 1 || bits > 8) {
    throw Error(ErrorCode::unsupported,
                "posterize keeps 1 to 8 bits of a colour, not " + std::to_string(bits));
  }
  const std::uint32_t mask = 0xFF00U >> bits;
  look_up(picture.pixels, tabulate([&](int value) { return static_cast<std::uint32_t>(value) & mask; }));
}

void solarize(RgbPicture& picture, double threshold) {
  look_up(picture.pixels, tabulate([&](int value) { return value < threshold ? value : 255 - value; }));
}

/// ImageOps.autocontrast's table of one channel.
Table stretch_table(int low, int high) {
  if (high <= low) {
    return tabulate([](int value) { return value; });
  }
  const double scale = 255.0 / (high - low);
  const double offset = -low * scale;
  return tabulate([&](int value) { return std::clamp(static_cast<int>(value * scale + offset), 0, 255); });
}

void auto_contrast(RgbPicture& picture) {
  // Extremes of 16 pixels side by side: one instruction where a histogram takes 48.
  constexpr std::size_t kLanes = 48;
  std::array<std::uint8_t, kLanes> low{};
  std::array<std::uint8_t, kLanes> high{};
  low.fill(255);
  const std::size_t size = picture.pixels.size();
  for (std::size_t start = 0; start < size; start += kLanes) {
    const std::uint8_t* from = picture.pixels.data() + start;
    const std::size_t n = std::min(kLanes, size - start);
    for (std::size_t i = 0; i < n; ++i) {
      low[i] = std::min(low[i], from[i]);
      high[i] = std::max(high[i], from[i]);
    }
  }
  std::array<Table, 3> tables{};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = c + 3; i < kLanes; i += 3) {
      low[c] = std::min(low[c], low[i]);
      high[c] = std::max(high[c], high[i]);
    }
    tables[c] = stretch_table(low[c], high[c]);
  }
  look_up(picture.pixels, tables);
}

/// ImageOps.equalize's table of one channel.
Table equalize_table(const std::array<std::uint32_t, 256>& histogram) {
  std::uint64_t pixels = 0;
  std::uint32_t brightest = 0;
  for (const std::uint32_t count : histogram) {
    pixels += count;
    brightest = count > 0 ? count : brightest;
  }
  const std::uint64_t step = (pixels - brightest) / 255;
  if (step == 0) {
    return tabulate([](int value) { return value; });
  }
  std::uint64_t below = step / 2;
  return tabulate([&](int value) {
    const std::uint64_t result = std::min<std::uint64_t>(below / step, 255);
    below += histogram[static_cast<std::size_t>(value)];
    return result;
  });
}

void equalize(RgbPicture& picture) {
  std::array<std::array<std::uint32_t, 256>, 3> histograms{};
  const std::uint8_t* pixel = picture.pixels.data();
  for (const std::uint8_t* const end = pixel + picture.pixels.size(); pixel != end; pixel += 3) {
    ++histograms[0][pixel[0]];
    ++histograms[1][pixel[1]];
    ++histograms[2][pixel[2]];
  }
  look_up(picture.pixels,
          {equalize_table(histograms[0]), equalize_table(histograms[1]), equalize_table(histograms[2])});
}

}  // namespace

template <typename Factor>
void adjust_brightness(RgbPicture& picture, Factor factor) {
  look_up(picture.pixels,
          tabulate([&](int value) { return blend<Factor>(0, static_cast<Factor>(value), factor); }));
}

template <typename Factor>
void adjust_contrast(RgbPicture& picture, Factor factor) {
  std::uint64_t sum = 0;
  const std::size_t size = picture.pixels.size();
  for (std::size_t i = 0; i < size; i += 3) {
    sum += luma(&picture.pixels[i]);
  }
  const auto mean =
      static_cast<Factor>(std::floor(static_cast<double>(sum) / (static_cast<double>(size) / 3) + 0.5));
  look_up(picture.pixels,
          tabulate([&](int value) { return blend<Factor>(mean, static_cast<Factor>(value), factor); }));
}

template <typename Factor>
void adjust_saturation(RgbPicture& picture, Factor factor, std::vector<std::uint8_t>& scratch) {
  scratch.resize(picture.pixels.size());
  const std::uint8_t* in = picture.pixels.data();
  std::uint8_t* grey = scratch.data();
  for (std::uint8_t* const end = grey + scratch.size(); grey != end; grey += 3, in += 3) {
    grey[0] = grey[1] = grey[2] = static_cast<std::uint8_t>(luma(in));
  }
  blend_from(scratch, picture.pixels, factor);
}

template void adjust_brightness(RgbPicture&, float);
template void adjust_brightness(RgbPicture&, double);
template void adjust_contrast(RgbPicture&, float);
template void adjust_contrast(RgbPicture&, double);
template void adjust_saturation(RgbPicture&, float, std::vector<std::uint8_t>&);
template void adjust_saturation(RgbPicture&, double, std::vector<std::uint8_t>&);

void mirror(RgbPicture& picture) {
  const std::ptrdiff_t stride = std::ptrdiff_t{3} * picture.width;
  for (int y = 0; y < picture.height; ++y) {
    std::uint8_t* left = picture.pixels.data() + y * stride;
    for (std::uint8_t* right = left + stride - 3; left < right; left += 3, right -= 3) {
      std::swap_ranges(left, left + 3, right);
    }
  }
}

void apply_operation(RgbPicture& picture, Operation operation, double magnitude,
                     std::vector<std::uint8_t>& scratch) {
  const auto factor = static_cast<float>(1 + magnitude);
  switch (operation) {
    case Operation::identity:
      return;
    case Operation::shear_x:
      return shear_x(picture, magnitude, scratch);
    case Operation::shear_y:
      return shear_y(picture, magnitude, scratch);
    case Operation::translate_x:
      return transform(picture, {.x0 = -std::trunc(magnitude)}, scratch);
    case Operation::translate_y:
      return transform(picture, {.y0 = -std::trunc(magnitude)}, scratch);
    case Operation::rotate:
      return rotate(picture, magnitude, scratch);
    case Operation::brightness:
      return adjust_brightness(picture, factor);
    case Operation::color:
      return adjust_saturation(picture, factor, scratch);
    case Operation::contrast:
      return adjust_contrast(picture, factor);
    case Operation::sharpness:
      return adjust_sharpness(picture, factor, scratch);
    case Operation::posterize:
      return posterize(picture, static_cast<int>(magnitude));
    case Operation::solarize:
      return solarize(picture, magnitude);
    case Operation::auto_contrast:
      return auto_contrast(picture);
    case Operation::equalize:
      return equalize(picture);
  }
}

}  // namespace resnet
