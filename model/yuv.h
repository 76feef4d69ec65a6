#ifndef RESNET_MODEL_YUV_H
#define RESNET_MODEL_YUV_H

#include <cstdint>
#include <vector>

#include "model/image.h"
#include "model/resample_math.h"

namespace resnet {

/// Bytes of a row, and rows, of one of the planes of a picture of that size; 0 where the format lacks it. For
/// even sizes also where, in bytes and rows, the pixel at (width, height) lies in that plane.
struct PlaneSize {
  std::ptrdiff_t row_bytes = 0;
  int rows = 0;
};
PlaneSize plane_size(PixelFormat format, int width, int height, std::size_t plane);

/// Resolves the format of a picture to offsets and fixed-point coefficients. No pixel is read.
/// @throws Error unsupported for sides outside 1…32768, a missing plane or a stride shorter than its row
PixelSource make_pixel_source(const Image& image);

/// Converts rows of YUV and gray pictures; equal to load_rgb for every pixel, and much faster. Keeps its
/// scratch rows.
class RowConverter {
 public:
  /// Columns begin…end−1 of row `y` as planes: so many bytes of red at `out`, then of green, then of blue.
  /// @param source not packed
  void convert(const PixelSource& source, int y, int begin, int end, std::uint8_t* out);

 private:
  std::vector<std::int16_t> mixed_u_, mixed_v_;  // chroma samples in quarters, one more at each end
  std::vector<std::int16_t> u_, v_;              // at luma resolution, in sixteenths around 0
  std::vector<std::uint8_t> luma_;               // YUY2's, side by side
};

}  // namespace resnet

#endif
