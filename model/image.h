#ifndef RESNET_MODEL_IMAGE_H
#define RESNET_MODEL_IMAGE_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace resnet {

/// Pixel formats that the preprocessing reads directly; names and memory layouts are GStreamer's.
/// `x` is padding; alpha is ignored.
enum class PixelFormat : std::uint8_t {
  RGB,
  BGR,
  RGBx,
  BGRx,
  xRGB,
  xBGR,
  RGBA,
  BGRA,
  ARGB,
  ABGR,
  GRAY8,
  NV12,
  NV21,
  I420,
  YV12,
  Y42B,
  Y444,
  YUY2,
  UYVY,
  P010_10LE,
  I420_10LE,
  I422_10LE
};

/// What the samples of a pixel mean: red, green and blue in one plane; luma alone; luma and chroma.
enum class PixelKind : std::uint8_t { packed, gray, yuv };

/// Luma coefficients Kr and Kb: 0.299/0.114 (BT.601), 0.2126/0.0722 (BT.709), 0.2627/0.0593
/// (BT.2020), 0.212/0.087 (SMPTE 240M), 0.30/0.11 (FCC).
enum class YuvMatrix : std::uint8_t { bt601, bt709, bt2020, smpte240m, fcc };

/// Where a chroma sample lies between luma samples, per direction: on the first of them, or between.
/// MPEG-2 and H.264 video: horizontal cosited, vertical centred.  JPEG: both centred.
struct ChromaSiting {
  bool horizontal_cosited = true;
  bool vertical_cosited = false;

  bool operator==(const ChromaSiting&) const = default;
};

/// How a picture has to be turned or mirrored to be upright; names and meanings are those of
/// GstVideoOrientationMethod.
enum class Orientation : std::uint8_t {
  identity,
  right_90,
  half_turn,
  left_90,
  horizontal,
  vertical,
  ul_lr,
  ur_ll
};

struct Plane {
  const std::uint8_t* data = nullptr;
  std::ptrdiff_t stride = 0;  ///< bytes from a row to the next; may be negative
};

/// A picture in memory that somebody else owns, in as many planes as its format has (model/pixel_layout.h).
struct Image {
  PixelFormat format = PixelFormat::RGB;
  int width = 0;
  int height = 0;
  std::array<Plane, 3> planes{};
  YuvMatrix matrix = YuvMatrix::bt601;  ///< YUV only
  bool full_range = false;  ///< YUV and GRAY8: 0…255 rather than 16…235, or as much more as a sample has bits
  ChromaSiting siting{};    ///< YUV with subsampled chroma only
  double pixel_aspect = 1;  ///< width of a pixel over its height; 1/100…100
  Orientation orientation = Orientation::identity;
};

}  // namespace resnet

#endif
