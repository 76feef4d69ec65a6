#include "model/yuv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include "model/error.h"
#include "model/pixel_layout.h"
#include "model/vectorise.h"

namespace resnet {

namespace {

YuvCoefficients make_yuv_coefficients(YuvMatrix which, bool full_range, int depth) {
  constexpr std::array<std::array<double, 2>, 5> coefficients{
      {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}, {0.212, 0.087}, {0.30, 0.11}}};
  const auto [kr, kb] = coefficients.at(static_cast<std::size_t>(which));
  const double kg = 1 - kr - kb;
  const int unit = 1 << (depth - 8);  // a step of 8 bits, in steps of the samples
  // 255 of 8 bits is the highest value that all of the range has.
  const double full = 255.0 * unit / (256 * unit - 1);
  const double chroma = full_range ? full : 255.0 / 224.0;
  const auto fixed = [depth](double x, int bits) {
    return static_cast<std::int32_t>(std::lround(std::ldexp(x, bits - (depth - 8))));
  };
  return {full_range ? 0 : 16 * unit,
          fixed(full_range ? full : 255.0 / 219.0, luma_bits),
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

/// Two bytes wherever they lie: a frame's rows need not be aligned.
using Sample16 [[gnu::aligned(1), gnu::may_alias]] = std::uint16_t;

const Sample16* samples16(const std::uint8_t* bytes) { return reinterpret_cast<const Sample16*>(bytes); }

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

/// Which bits of two bytes are the sample.
struct Bits16 {
  int shift = 0, mask = 0;

  explicit Bits16(const PixelSource& s) : shift(s.shift), mask((1 << s.depth) - 1) {}
};

// The same of samples of two bytes, `step` of them from one to the next.
RESNET_VECTORISE void mix_rows16(const Sample16* a, const Sample16* b, Bits16 of, int step, int weight,
                                 int samples, std::int16_t* __restrict out) {
  const int other = 4 - weight, shift = of.shift, mask = of.mask;
  const auto mix = [=](int first, int second) {
    return static_cast<std::int16_t>(((first >> shift) & mask) * other + ((second >> shift) & mask) * weight);
  };
  if (step == 1) {
    for (int i = 0; i < samples; ++i) out[i] = mix(a[i], b[i]);
  } else {
    for (int i = 0; i < samples; ++i) out[i] = mix(a[2 * i], b[2 * i]);
  }
}

// Twice as many columns, in sixteenths around 0. in[-1] and in[samples] are there.
RESNET_VECTORISE void widen(const std::int16_t* in, int samples, bool cosited, int zero,
                            std::int16_t* __restrict out) {
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

// As many columns.
RESNET_VECTORISE void keep_width(const std::int16_t* in, int samples, int zero,
                                 std::int16_t* __restrict out) {
  for (int i = 0; i < samples; ++i) out[i] = static_cast<std::int16_t>(4 * in[i] - zero);
}

RESNET_VECTORISE void apply_matrix(const YuvCoefficients& m, const std::uint8_t* luma, const std::int16_t* u,
                                   const std::int16_t* v, int count, std::uint8_t* __restrict red,
                                   std::uint8_t* __restrict green, std::uint8_t* __restrict blue) {
  const YuvCoefficients k = m;
  for (int i = 0; i < count; ++i) {
    const std::int32_t scaled = (luma[i] - k.luma_offset) * k.luma;
    apply_chroma(k, scaled, u[i], v[i], red[i], green[i], blue[i]);
  }
}

RESNET_VECTORISE void apply_matrix16(const YuvCoefficients& m, const Sample16* luma, Bits16 of,
                                     const std::int16_t* u, const std::int16_t* v, int count,
                                     std::uint8_t* __restrict red, std::uint8_t* __restrict green,
                                     std::uint8_t* __restrict blue) {
  const YuvCoefficients k = m;
  const int shift = of.shift, mask = of.mask;
  for (int i = 0; i < count; ++i) {
    const std::int32_t scaled = (((luma[i] >> shift) & mask) - k.luma_offset) * k.luma;
    apply_chroma(k, scaled, u[i], v[i], red[i], green[i], blue[i]);
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

PixelSource make_pixel_source(const Image& image) {
  check_image(image);
  const PixelLayout& layout = layout_of(image.format);
  const auto& [first, second, third] = layout.samples;
  const auto plane = [&image](SamplePlace place) { return image.planes[place.plane].data + place.offset; };
  PixelSource s;
  s.kind = layout.kind;
  s.luma_step = first.step;
  s.luma_stride = image.planes[first.plane].stride;
  s.width = image.width;
  s.height = image.height;
  s.depth = layout.depth;
  s.shift = layout.shift;
  if (layout.kind == PixelKind::packed) {
    s.luma = image.planes[first.plane].data;
    s.red = first.offset;
    s.green = second.offset;
    s.blue = third.offset;
    return s;
  }
  s.luma = plane(first);
  s.yuv = make_yuv_coefficients(image.matrix, image.full_range, layout.depth);
  if (layout.kind == PixelKind::gray) return s;
  s.u = plane(second);
  s.v = plane(third);
  s.u_stride = image.planes[second.plane].stride;
  s.v_stride = image.planes[third.plane].stride;
  s.chroma_step = second.step;
  s.half_width = layout.half_width;
  s.half_height = layout.half_height;
  s.horizontal_cosited = image.siting.horizontal_cosited;
  s.vertical_cosited = image.siting.vertical_cosited;
  return s;
}

const std::int16_t* RowConverter::widened_chroma(const PixelSource& s, const std::uint8_t* plane,
                                                 std::ptrdiff_t stride, int y, int begin, int end,
                                                 std::vector<std::int16_t>& wide) {
  // Samples first…last−1 cover the columns; one more at each end serves the interpolation.
  const int per_sample = s.half_width ? 2 : 1;
  const int all = (s.width + per_sample - 1) / per_sample, first = begin / per_sample,
            last = (end + per_sample - 1) / per_sample, samples = last - first;
  const int from = std::max(first - 1, 0), to = std::min(last + 1, all);
  const auto padded = static_cast<std::size_t>(samples) + 2;
  mixed_.resize(padded);
  wide.resize(padded * static_cast<std::size_t>(per_sample));

  const ChromaTap rows = chroma_rows(s, y);
  const std::ptrdiff_t offset = std::ptrdiff_t{from} * s.chroma_step;
  const std::uint8_t *a = plane + rows.first * stride + offset, *b = plane + rows.second * stride + offset;
  std::int16_t* mixed = mixed_.data() + (from - first + 1);
  if (s.depth > 8) {
    mix_rows16(samples16(a), samples16(b), Bits16(s), s.chroma_step / 2, rows.weight, to - from, mixed);
  } else {
    mix_rows(a, b, s.chroma_step, rows.weight, to - from, mixed);
  }
  if (from == first) mixed_.front() = mixed_[1];
  if (to == last) mixed_.back() = mixed_[padded - 2];
  const int zero = chroma_zero(s.depth);
  if (s.half_width) {
    widen(mixed_.data() + 1, samples, s.horizontal_cosited, zero, wide.data());
  } else {
    keep_width(mixed_.data() + 1, samples, zero, wide.data());
  }
  return wide.data() + (begin - per_sample * first);
}

void RowConverter::convert(const PixelSource& s, int y, int begin, int end, std::uint8_t* out) {
  const int columns = end - begin;
  const auto count = static_cast<std::size_t>(columns);
  std::uint8_t *red = out, *green = red + count, *blue = green + count;
  const std::uint8_t* luma = s.luma + y * s.luma_stride + static_cast<std::ptrdiff_t>(begin) * s.luma_step;
  if (s.kind == PixelKind::gray) {
    convert_gray(s.yuv, luma, columns, red);
    std::copy_n(red, count, green);
    std::copy_n(red, count, blue);
    return;
  }
  const std::int16_t* u = widened_chroma(s, s.u, s.u_stride, y, begin, end, u_);
  const std::int16_t* v = widened_chroma(s, s.v, s.v_stride, y, begin, end, v_);
  if (s.depth > 8) {
    apply_matrix16(s.yuv, samples16(luma), Bits16(s), u, v, columns, red, green, blue);
    return;
  }
  if (s.luma_step == 2) {
    luma_.resize(count);
    every_second(luma, count, luma_.data());
    luma = luma_.data();
  }
  apply_matrix(s.yuv, luma, u, v, columns, red, green, blue);
}

}  // namespace resnet
