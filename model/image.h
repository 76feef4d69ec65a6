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
  I420,
  YUY2
};

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

/// A picture in memory that somebody else owns. Formats of one plane use `planes[0]`; NV12 uses two,
/// I420 three (Y, U, V).
struct Image {
  PixelFormat format = PixelFormat::RGB;
  int width = 0;
  int height = 0;
  std::array<Plane, 3> planes{};
  YuvMatrix matrix = YuvMatrix::bt601;  ///< YUV only
  bool full_range = false;              ///< YUV and GRAY8: 0…255 rather than 16…235
  ChromaSiting siting{};                ///< YUV with subsampled chroma only
  double pixel_aspect = 1;              ///< width of a pixel over its height; 1/100…100
  Orientation orientation = Orientation::identity;
};

}  // namespace resnet

#endif
