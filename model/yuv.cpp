#include "model/yuv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "model/error.h"
#include "model/preprocess.h"

namespace resnet {

namespace {

struct PackedLayout {
  int step, red, green, blue;
};

PackedLayout packed_layout(PixelFormat format) {
  switch (format) {
    case PixelFormat::RGB:
      return {3, 0, 1, 2};
    case PixelFormat::BGR:
      return {3, 2, 1, 0};
    case PixelFormat::RGBx:
    case PixelFormat::RGBA:
      return {4, 0, 1, 2};
    case PixelFormat::BGRx:
    case PixelFormat::BGRA:
      return {4, 2, 1, 0};
    case PixelFormat::xRGB:
    case PixelFormat::ARGB:
      return {4, 1, 2, 3};
    case PixelFormat::xBGR:
    case PixelFormat::ABGR:
      return {4, 3, 2, 1};
    default:
      return {1, 0, 0, 0};
  }
}

constexpr int matrix_bits = 16;

struct Matrix {
  int luma_offset;
  std::int32_t luma, red_v, green_u, green_v, blue_u;
};

Matrix make_matrix(YuvMatrix which, bool full_range) {
  constexpr std::array<std::array<double, 2>, 5> coefficients{
      {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}, {0.212, 0.087}, {0.30, 0.11}}};
  const auto [kr, kb] = coefficients[static_cast<std::size_t>(which)];
  const double kg = 1 - kr - kb;
  const double chroma = full_range ? 1.0 : 255.0 / 224.0;
  const auto fixed = [](double x) { return static_cast<std::int32_t>(std::lround(x * (1 << matrix_bits))); };
  return {full_range ? 0 : 16,
          fixed(full_range ? 1.0 : 255.0 / 219.0),
          fixed(2 * (1 - kr) * chroma),
          fixed(-2 * kb * (1 - kb) / kg * chroma),
          fixed(-2 * kr * (1 - kr) / kg * chroma),
          fixed(2 * (1 - kb) * chroma)};
}

std::uint8_t clip(std::int32_t value) {
  value = (value + (1 << (matrix_bits - 1))) >> matrix_bits;
  return static_cast<std::uint8_t>(std::clamp(value, 0, 255));
}

// Two neighbouring chroma samples of one direction and the second one's weight in quarters.
struct Tap {
  int first, second, weight;
};

Tap chroma_tap(int position, int samples, bool subsampled, bool cosited) {
  if (!subsampled) return {position, position, 0};
  const int half = position / 2;
  const bool odd = (position & 1) != 0;
  if (cosited) return {half, std::min(half + 1, samples - 1), odd ? 2 : 0};
  return odd ? Tap{half, std::min(half + 1, samples - 1), 1} : Tap{std::max(half - 1, 0), half, 3};
}

// Where a format keeps its chroma samples.
struct ChromaRows {
  const std::uint8_t *u0, *u1, *v0, *v1;  // the two rows to mix
  int step, weight;                       // bytes from sample to sample; of the second row, in quarters
};

ChromaRows chroma_rows(const Image& image, int y) {
  const auto& p = image.planes;
  if (image.format == PixelFormat::YUY2) {
    const std::uint8_t* row = p[0].data + y * p[0].stride;
    return {row + 1, row + 1, row + 3, row + 3, 4, 0};
  }
  const Tap tap = chroma_tap(y, (image.height + 1) / 2, true, image.siting.vertical_cosited);
  if (image.format == PixelFormat::NV12) {
    const std::uint8_t *a = p[1].data + tap.first * p[1].stride, *b = p[1].data + tap.second * p[1].stride;
    return {a, b, a + 1, b + 1, 2, tap.weight};
  }
  return {p[1].data + tap.first * p[1].stride,
          p[1].data + tap.second * p[1].stride,
          p[2].data + tap.first * p[2].stride,
          p[2].data + tap.second * p[2].stride,
          1,
          tap.weight};
}

void convert_yuv_row(const Image& image, int y, int begin, int end, std::uint8_t* out) {
  const Matrix m = make_matrix(image.matrix, image.full_range);
  const ChromaRows rows = chroma_rows(image, y);
  const int luma_step = image.format == PixelFormat::YUY2 ? 2 : 1;
  const std::uint8_t* luma = image.planes[0].data + y * image.planes[0].stride;
  const int samples = (image.width + 1) / 2;
  for (int x = begin; x < end; ++x, out += 3) {
    const Tap tap = chroma_tap(x, samples, true, image.siting.horizontal_cosited);
    // In sixteenths, rounded once: vertical quarters times horizontal quarters.
    const auto mix = [&](const std::uint8_t* a, const std::uint8_t* b) {
      const int i = tap.first * rows.step, j = tap.second * rows.step;
      const int first = a[i] * (4 - rows.weight) + b[i] * rows.weight;
      const int second = a[j] * (4 - rows.weight) + b[j] * rows.weight;
      return ((first * (4 - tap.weight) + second * tap.weight + 8) >> 4) - 128;
    };
    const std::int32_t u = mix(rows.u0, rows.u1), v = mix(rows.v0, rows.v1);
    const std::int32_t scaled = (luma[x * luma_step] - m.luma_offset) * m.luma;
    out[0] = clip(scaled + m.red_v * v);
    out[1] = clip(scaled + m.green_u * u + m.green_v * v);
    out[2] = clip(scaled + m.blue_u * u);
  }
}

void convert_gray_row(const Image& image, int y, int begin, int end, std::uint8_t* out) {
  const Matrix m = make_matrix(image.matrix, image.full_range);
  const std::uint8_t* row = image.planes[0].data + y * image.planes[0].stride;
  for (int x = begin; x < end; ++x, out += 3)
    out[0] = out[1] = out[2] = clip((row[x] - m.luma_offset) * m.luma);
}

void convert_packed_row(const Image& image, int y, int begin, int end, std::uint8_t* out) {
  const PackedLayout layout = packed_layout(image.format);
  const std::uint8_t* pixel =
      image.planes[0].data + y * image.planes[0].stride + std::ptrdiff_t{begin} * layout.step;
  for (int x = begin; x < end; ++x, out += 3, pixel += layout.step) {
    out[0] = pixel[layout.red];
    out[1] = pixel[layout.green];
    out[2] = pixel[layout.blue];
  }
}

}  // namespace

void convert_row(const Image& image, int y, int begin, int end, std::uint8_t* out) {
  switch (image.format) {
    case PixelFormat::NV12:
    case PixelFormat::I420:
    case PixelFormat::YUY2:
      convert_yuv_row(image, y, begin, end, out);
      break;
    case PixelFormat::GRAY8:
      convert_gray_row(image, y, begin, end, out);
      break;
    default:
      convert_packed_row(image, y, begin, end, out);
      break;
  }
}

void check_image(const Image& image) {
  constexpr int most = 32768;
  if (image.width < 1 || image.height < 1 || image.width > most || image.height > most) {
    throw Error(ErrorCode::unsupported, "a picture of " + std::to_string(image.width) + "×" +
                                            std::to_string(image.height) +
                                            " pixels cannot be classified; expected 1 to 32768 on a side");
  }
}

RgbPicture to_rgb(const Image& image) {
  check_image(image);
  RgbPicture picture{image.width, image.height, {}};
  const std::size_t row_bytes = static_cast<std::size_t>(image.width) * 3;
  picture.pixels.resize(row_bytes * static_cast<std::size_t>(image.height));
  for (int y = 0; y < image.height; ++y) {
    convert_row(image, y, 0, image.width, picture.pixels.data() + row_bytes * static_cast<std::size_t>(y));
  }
  return picture;
}

}  // namespace resnet
