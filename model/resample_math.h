#ifndef RESNET_MODEL_RESAMPLE_MATH_H
#define RESNET_MODEL_RESAMPLE_MATH_H

// The arithmetic of the preprocessing, pixel by pixel, for the CPU and for CUDA: integers only, so that both
// give the same bits (the CPU has a faster way besides, model/yuv_reducer.h). Nothing here allocates or
// throws; plain structs travel to kernels as they are.

#include <cstddef>
#include <cstdint>

#include "model/image.h"

#ifdef __CUDACC__
#define RESNET_HD __host__ __device__
#else
#define RESNET_HD
#endif

namespace resnet {

/// Fraction bits of a resize weight: Pillow's PRECISION_BITS.
constexpr int coefficient_bits = 32 - 8 - 2;
constexpr std::int32_t coefficient_half = 1 << (coefficient_bits - 1);

/// Pillow's clip8: the 8-bit pixel of a sum that began with coefficient_half.
RESNET_HD inline std::uint8_t clip_coefficient_sum(std::int32_t sum) {
  const std::int32_t value = sum >> coefficient_bits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// YUV to 8-bit RGB in fixed point, for samples of `depth` bits. Chroma comes in sixteenths around 0, so its
/// weights have four bits less.
struct YuvCoefficients {
  std::int32_t luma_offset = 0;
  std::int32_t luma = 0;                                         ///< 21 fraction bits; 29 − depth
  std::int32_t red_v = 0, green_u = 0, green_v = 0, blue_u = 0;  ///< 17 fraction bits; 25 − depth
};
constexpr int luma_bits = 21;
constexpr int chroma_bits = luma_bits - 4;

RESNET_HD inline std::uint8_t clip_yuv_sum(std::int32_t sum) {
  const std::int32_t value = (sum + (1 << (luma_bits - 1))) >> luma_bits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// A pixel of its scaled luma and its chroma.
RESNET_HD inline void apply_chroma(const YuvCoefficients& k, std::int32_t luma, std::int32_t u,
                                   std::int32_t v, std::uint8_t& red, std::uint8_t& green,
                                   std::uint8_t& blue) {
  red = clip_yuv_sum(luma + k.red_v * v);
  green = clip_yuv_sum(luma + k.green_u * u + k.green_v * v);
  blue = clip_yuv_sum(luma + k.blue_u * u);
}

/// Two neighbouring chroma samples and the second one's weight in quarters.
struct ChromaTap {
  int first, second, weight;
};

/// The chroma at luma position `position` of a direction with half as many samples, by linear interpolation.
RESNET_HD inline ChromaTap chroma_tap(int position, int samples, bool cosited) {
  const int half = position / 2;
  const bool odd = (position & 1) != 0;
  const int next = half + 1 < samples ? half + 1 : samples - 1;
  if (cosited) return {half, next, odd ? 2 : 0};
  return odd ? ChromaTap{half, next, 1} : ChromaTap{half > 0 ? half - 1 : 0, half, 3};
}

/// A picture in the memory of the CPU or of a GPU, with its format resolved to offsets.
struct PixelSource {
  const std::uint8_t* luma = nullptr;  ///< packed: the pixels
  std::ptrdiff_t luma_stride = 0;
  int luma_step = 1;                 ///< bytes from pixel to pixel
  int red = 0, green = 0, blue = 0;  ///< packed: byte of each channel in its pixel
  const std::uint8_t *u = nullptr, *v = nullptr;
  std::ptrdiff_t u_stride = 0, v_stride = 0;
  int chroma_step = 1;
  int width = 0, height = 0;
  PixelKind kind = PixelKind::packed;
  bool half_width = false, half_height = false;  ///< of the chroma
  int depth = 8, shift = 0;                      ///< as in PixelLayout
  bool horizontal_cosited = true, vertical_cosited = false;
  YuvCoefficients yuv;
};

/// The two rows of chroma that row `y` mixes, and the second one's weight in quarters.
RESNET_HD inline ChromaTap chroma_rows(const PixelSource& s, int y) {
  if (!s.half_height) return {y, y, 0};
  return chroma_tap(y, (s.height + 1) / 2, s.vertical_cosited);
}

/// The same for column `x`.
RESNET_HD inline ChromaTap chroma_columns(const PixelSource& s, int x) {
  if (!s.half_width) return {x, x, 0};
  return chroma_tap(x, (s.width + 1) / 2, s.horizontal_cosited);
}

/// Chroma without colour, in sixteenths.
RESNET_HD inline std::int32_t chroma_zero(int depth) { return 16 << (depth - 1); }

RESNET_HD inline std::int32_t load_sample(const PixelSource& s, const std::uint8_t* at) {
  return s.depth > 8 ? ((at[0] | at[1] << 8) >> s.shift) & ((1 << s.depth) - 1) : at[0];
}

/// Chroma in sixteenths around 0: four samples, weighted in quarters each way.
RESNET_HD inline std::int32_t mix_chroma(const PixelSource& s, const std::uint8_t* plane,
                                         std::ptrdiff_t stride, ChromaTap rows, ChromaTap columns) {
  const std::uint8_t *a = plane + rows.first * stride, *b = plane + rows.second * stride;
  const int i = columns.first * s.chroma_step, j = columns.second * s.chroma_step;
  const std::int32_t first = load_sample(s, a + i) * (4 - rows.weight) + load_sample(s, b + i) * rows.weight;
  const std::int32_t second = load_sample(s, a + j) * (4 - rows.weight) + load_sample(s, b + j) * rows.weight;
  return first * (4 - columns.weight) + second * columns.weight - chroma_zero(s.depth);
}

/// The pixel at (x, y) as 8-bit RGB.
RESNET_HD inline void load_rgb(const PixelSource& s, int x, int y, std::uint8_t* rgb) {
  const std::uint8_t* pixel = s.luma + y * s.luma_stride + static_cast<std::ptrdiff_t>(x) * s.luma_step;
  if (s.kind == PixelKind::packed) {
    rgb[0] = pixel[s.red];
    rgb[1] = pixel[s.green];
    rgb[2] = pixel[s.blue];
    return;
  }
  const std::int32_t luma = (load_sample(s, pixel) - s.yuv.luma_offset) * s.yuv.luma;
  if (s.kind == PixelKind::gray) {
    rgb[0] = rgb[1] = rgb[2] = clip_yuv_sum(luma);
    return;
  }
  const ChromaTap rows = chroma_rows(s, y), columns = chroma_columns(s, x);
  const std::int32_t u = mix_chroma(s, s.u, s.u_stride, rows, columns);
  const std::int32_t v = mix_chroma(s, s.v, s.v_stride, rows, columns);
  apply_chroma(s.yuv, luma, u, v, rgb[0], rgb[1], rgb[2]);
}

/// Coefficients (model/resample.h) of one direction, as pointers.
struct Weights {
  const std::int32_t* first = nullptr;
  const std::int32_t* count = nullptr;
  const std::int32_t* weights = nullptr;
  int taps = 0;
};

/// Resize and CenterCrop as two passes with 8-bit RGB between them. Whichever pass comes first, it covers
/// just the rows and columns that the second one reads: `between_width` × `between_height` pixels.
struct ResampleJob {
  PixelSource source;
  Weights columns, rows;
  bool vertical_first = false;
  int crop = 0;
  int first_column = 0, first_row = 0;  ///< of the source that the crop needs
  int between_width = 0, between_height = 0;
  std::uint8_t* between = nullptr;
  Orientation orientation = Orientation::identity;  ///< of the picture, whose crop is to stand upright
};

/// Pixel (x, y) of the picture between the passes.
RESNET_HD inline void first_pass(const ResampleJob& job, int x, int y) {
  const Weights& side = job.vertical_first ? job.rows : job.columns;
  const int output = job.vertical_first ? y : x;
  const std::int32_t* weights = side.weights + static_cast<std::ptrdiff_t>(output) * side.taps;
  std::int32_t sum[3] = {coefficient_half, coefficient_half, coefficient_half};
  for (int k = 0; k < side.count[output]; ++k) {
    std::uint8_t rgb[3];
    const int at = side.first[output] + k;
    load_rgb(job.source, job.vertical_first ? x + job.first_column : at,
             job.vertical_first ? at : y + job.first_row, rgb);
    for (int c = 0; c < 3; ++c) sum[c] += rgb[c] * weights[k];
  }
  std::uint8_t* to = job.between + (static_cast<std::ptrdiff_t>(y) * job.between_width + x) * 3;
  for (int c = 0; c < 3; ++c) to[c] = clip_coefficient_sum(sum[c]);
}

/// Pixel (x, y) of the crop.
RESNET_HD inline void second_pass(const ResampleJob& job, int x, int y, std::uint8_t* rgb) {
  const Weights& side = job.vertical_first ? job.columns : job.rows;
  const int output = job.vertical_first ? x : y;
  const std::int32_t* weights = side.weights + static_cast<std::ptrdiff_t>(output) * side.taps;
  const std::ptrdiff_t step = job.vertical_first ? 3 : std::ptrdiff_t{3} * job.between_width;
  const int start = side.first[output] - (job.vertical_first ? job.first_column : job.first_row);
  const std::uint8_t* from = job.between +
                             (job.vertical_first ? static_cast<std::ptrdiff_t>(y) * job.between_width * 3
                                                 : static_cast<std::ptrdiff_t>(x) * 3) +
                             start * step;
  std::int32_t sum[3] = {coefficient_half, coefficient_half, coefficient_half};
  for (int k = 0; k < side.count[output]; ++k, from += step) {
    for (int c = 0; c < 3; ++c) sum[c] += from[c] * weights[k];
  }
  for (int c = 0; c < 3; ++c) rgb[c] = clip_coefficient_sum(sum[c]);
}

/// Words of a ValueTable (model/resample.h): three channels of 256 pixels.
constexpr unsigned value_table_size = 3 * 256;

/// The network's input, as the bits of an Element, for a pixel of a channel of RGB.
template <typename Element>
RESNET_HD inline Element normalize(const std::uint32_t* values, std::uint8_t pixel, unsigned channel) {
  return static_cast<Element>(values[channel * 256 + pixel]);
}

/// Where pixel (x, y) of a square of `side` pixels is, counted row by row, when it stands upright.
RESNET_HD inline std::ptrdiff_t upright(Orientation orientation, std::ptrdiff_t x, std::ptrdiff_t y,
                                        std::ptrdiff_t side) {
  const std::ptrdiff_t right = side - 1 - x, bottom = side - 1 - y;
  switch (orientation) {
    case Orientation::right_90:
      return x * side + bottom;
    case Orientation::half_turn:
      return bottom * side + right;
    case Orientation::left_90:
      return right * side + y;
    case Orientation::horizontal:
      return y * side + right;
    case Orientation::vertical:
      return bottom * side + x;
    case Orientation::ul_lr:
      return x * side + y;
    case Orientation::ur_ll:
      return right * side + bottom;
    default:
      return y * side + x;
  }
}

/// Pixel (x, y) of the crop as network input, in its place of a channels-last picture.
template <typename Element>
RESNET_HD inline void write_input(const ResampleJob& job, const std::uint32_t* values, int x, int y,
                                  Element* picture) {
  std::uint8_t rgb[3];
  second_pass(job, x, y, rgb);
  Element* to = picture + upright(job.orientation, x, y, job.crop) * 3;
  for (unsigned c = 0; c < 3; ++c) to[c] = normalize<Element>(values, rgb[c], c);
}

}  // namespace resnet

#endif
