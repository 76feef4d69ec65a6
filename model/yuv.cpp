#include "model/yuv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include "model/error.h"
#include "model/row_narrower.h"
#include "model/vectorise.h"

namespace resnet {

namespace {

ChannelLayout channel_layout(PixelFormat format) {
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

YuvCoefficients make_yuv_coefficients(YuvMatrix which, bool full_range) {
  constexpr std::array<std::array<double, 2>, 5> coefficients{
      {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}, {0.212, 0.087}, {0.30, 0.11}}};
  const auto [kr, kb] = coefficients.at(static_cast<std::size_t>(which));
  const double kg = 1 - kr - kb;
  const double chroma = full_range ? 1.0 : 255.0 / 224.0;
  const auto fixed = [](double x, int bits) {
    return static_cast<std::int32_t>(std::lround(std::ldexp(x, bits)));
  };
  return {full_range ? 0 : 16,
          fixed(full_range ? 1.0 : 255.0 / 219.0, luma_bits),
          fixed(2 * (1 - kr) * chroma, chroma_bits),
          fixed(-2 * kb * (1 - kb) / kg * chroma, chroma_bits),
          fixed(-2 * kr * (1 - kr) / kg * chroma, chroma_bits),
          fixed(2 * (1 - kb) * chroma, chroma_bits)};
}

void check_plane(const Image& image, std::size_t plane, std::ptrdiff_t row_bytes, int rows) {
  const Plane& p = image.planes[plane];
  if (p.data == nullptr || (rows > 1 && std::abs(p.stride) < row_bytes)) {
    throw Error(ErrorCode::unsupported,
                "plane " + std::to_string(plane) + " of a picture has " +
                    (p.data == nullptr ? "no pixels" : "rows " + std::to_string(p.stride) + " bytes apart") +
                    "; expected at least " + std::to_string(row_bytes) + " bytes a row");
  }
}

void check_image(const Image& image) {
  constexpr int most = 32768;
  if (image.width < 1 || image.height < 1 || image.width > most || image.height > most) {
    throw Error(ErrorCode::unsupported, "a picture of " + std::to_string(image.width) + "×" +
                                            std::to_string(image.height) +
                                            " pixels cannot be classified; expected 1 to 32768 on a side");
  }
  for (std::size_t plane = 0; plane < image.planes.size(); ++plane) {
    const PlaneSize size = plane_size(image.format, image.width, image.height, plane);
    if (size.rows > 0) check_plane(image, plane, size.row_bytes, size.rows);
  }
}

// One row of chroma samples in quarters: two rows mixed.
RESNET_VECTORISE void mix_rows(const std::uint8_t* a, const std::uint8_t* b, int step, int weight,
                               int samples, std::int16_t* __restrict out) {
  const int other = 4 - weight;
  switch (step) {  // known steps vectorise
    case 1:
      for (int i = 0; i < samples; ++i) out[i] = static_cast<std::int16_t>(a[i] * other + b[i] * weight);
      break;
    case 2:
      for (int i = 0; i < samples; ++i)
        out[i] = static_cast<std::int16_t>(a[2 * i] * other + b[2 * i] * weight);
      break;
    default:
      for (int i = 0; i < samples; ++i)
        out[i] = static_cast<std::int16_t>(a[4 * i] * other + b[4 * i] * weight);
      break;
  }
}

// Twice as many columns, in sixteenths around 0. in[-1] and in[samples] are there.
RESNET_VECTORISE void widen(const std::int16_t* in, int samples, bool cosited, std::int16_t* __restrict out) {
  constexpr int zero = 128 * 16;
  if (cosited) {
    for (int i = 0; i < samples; ++i) {
      out[2 * i] = static_cast<std::int16_t>(4 * in[i] - zero);
      out[2 * i + 1] = static_cast<std::int16_t>(2 * (in[i] + in[i + 1]) - zero);
    }
  } else {
    for (int i = 0; i < samples; ++i) {
      out[2 * i] = static_cast<std::int16_t>(3 * in[i] + in[i - 1] - zero);
      out[2 * i + 1] = static_cast<std::int16_t>(3 * in[i] + in[i + 1] - zero);
    }
  }
}

RESNET_VECTORISE void apply_matrix(const YuvCoefficients& m, const std::uint8_t* luma, const std::int16_t* u,
                                   const std::int16_t* v, int count, std::uint8_t* __restrict red,
                                   std::uint8_t* __restrict green, std::uint8_t* __restrict blue) {
  const YuvCoefficients k = m;
  for (int i = 0; i < count; ++i) {
    const std::int32_t scaled = (luma[i] - k.luma_offset) * k.luma;
    red[i] = clip_yuv_sum(scaled + k.red_v * v[i]);
    green[i] = clip_yuv_sum(scaled + k.green_u * u[i] + k.green_v * v[i]);
    blue[i] = clip_yuv_sum(scaled + k.blue_u * u[i]);
  }
}

RESNET_VECTORISE void every_second(const std::uint8_t* in, std::size_t count, std::uint8_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = in[2 * i];
}

RESNET_VECTORISE void convert_gray(const YuvCoefficients& m, const std::uint8_t* luma, int count,
                                   std::uint8_t* __restrict gray) {
  const YuvCoefficients k = m;
  for (int i = 0; i < count; ++i) gray[i] = clip_yuv_sum((luma[i] - k.luma_offset) * k.luma);
}

}  // namespace

PlaneSize plane_size(PixelFormat format, int width, int height, std::size_t plane) {
  const int half = (width + 1) / 2, half_rows = (height + 1) / 2;
  const bool planar = format == PixelFormat::I420, semiplanar = format == PixelFormat::NV12;
  if (plane > 0) {
    if (planar) return {half, half_rows};
    if (semiplanar && plane == 1) return {std::ptrdiff_t{2} * half, half_rows};
    return {};
  }
  if (format == PixelFormat::YUY2) return {std::ptrdiff_t{4} * half, height};
  return {std::ptrdiff_t{channel_layout(format).step} * width, height};
}

PixelSource make_pixel_source(const Image& image) {
  check_image(image);
  const auto& p = image.planes;
  const ChannelLayout layout = channel_layout(image.format);
  PixelSource s;
  s.luma = p[0].data;
  s.luma_stride = p[0].stride;
  s.luma_step = layout.step;
  s.red = layout.red;
  s.green = layout.green;
  s.blue = layout.blue;
  s.width = image.width;
  s.height = image.height;
  s.horizontal_cosited = image.siting.horizontal_cosited;
  s.vertical_cosited = image.siting.vertical_cosited;
  s.yuv = make_yuv_coefficients(image.matrix, image.full_range);
  s.kind = PixelKind::yuv;
  s.vertical_subsampling = true;
  switch (image.format) {
    case PixelFormat::NV12:
      s.u = p[1].data;
      s.v = p[1].data + 1;
      s.u_stride = s.v_stride = p[1].stride;
      s.chroma_step = 2;
      break;
    case PixelFormat::I420:
      s.u = p[1].data;
      s.v = p[2].data;
      s.u_stride = p[1].stride;
      s.v_stride = p[2].stride;
      break;
    case PixelFormat::YUY2:
      s.luma_step = 2;
      s.u = p[0].data + 1;
      s.v = p[0].data + 3;
      s.u_stride = s.v_stride = p[0].stride;
      s.chroma_step = 4;
      s.vertical_subsampling = false;
      break;
    case PixelFormat::GRAY8:
      s.kind = PixelKind::gray;
      break;
    default:
      s.kind = PixelKind::packed;
      break;
  }
  return s;
}

void RowConverter::convert(const PixelSource& s, int y, int begin, int end, std::uint8_t* out) {
  const auto count = static_cast<std::size_t>(end - begin);
  std::uint8_t *red = out, *green = red + count, *blue = green + count;
  const std::uint8_t* luma = s.luma + y * s.luma_stride + static_cast<std::ptrdiff_t>(begin) * s.luma_step;
  if (s.kind == PixelKind::gray) {
    convert_gray(s.yuv, luma, end - begin, red);
    std::copy_n(red, count, green);
    std::copy_n(red, count, blue);
    return;
  }
  // Chroma samples first…last−1 cover the columns; one more at each end serves the interpolation.
  const int all = (s.width + 1) / 2, first = begin / 2, last = (end + 1) / 2, samples = last - first;
  const int from = std::max(first - 1, 0), to = std::min(last + 1, all);
  const auto padded = static_cast<std::size_t>(samples) + 2;
  mixed_u_.resize(padded);
  mixed_v_.resize(padded);
  u_.resize(padded * 2);
  v_.resize(padded * 2);

  const ChromaTap rows = chroma_rows(s, y);
  const auto spread = [&](const std::uint8_t* plane, std::ptrdiff_t stride, std::vector<std::int16_t>& mixed,
                          std::vector<std::int16_t>& wide) {
    const std::ptrdiff_t offset = std::ptrdiff_t{from} * s.chroma_step;
    mix_rows(plane + rows.first * stride + offset, plane + rows.second * stride + offset, s.chroma_step,
             rows.weight, to - from, mixed.data() + (from - first + 1));
    if (from == first) mixed.front() = mixed[1];
    if (to == last) mixed.back() = mixed[padded - 2];
    widen(mixed.data() + 1, samples, s.horizontal_cosited, wide.data());
  };
  spread(s.u, s.u_stride, mixed_u_, u_);
  spread(s.v, s.v_stride, mixed_v_, v_);

  if (s.luma_step == 2) {
    luma_.resize(count);
    every_second(luma, count, luma_.data());
    luma = luma_.data();
  }
  const int odd = begin - 2 * first;
  apply_matrix(s.yuv, luma, u_.data() + odd, v_.data() + odd, end - begin, red, green, blue);
}

}  // namespace resnet
