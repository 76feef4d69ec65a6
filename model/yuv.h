#ifndef RESNET_MODEL_YUV_H
#define RESNET_MODEL_YUV_H

#include <cstdint>
#include <vector>

#include "model/image.h"
#include "model/resample_math.h"

namespace resnet {

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
  /// Row `y` of a plane of chroma at the columns begin…end−1, in sixteenths around 0.
  const std::int16_t* widened_chroma(const PixelSource& source, const std::uint8_t* plane,
                                     std::ptrdiff_t stride, int y, int begin, int end,
                                     std::vector<std::int16_t>& wide);

  std::vector<std::int16_t> mixed_;  // chroma samples in quarters, one more at each end
  std::vector<std::int16_t> u_, v_;  // at luma resolution
  std::vector<std::uint8_t> luma_;   // side by side, where a format has chroma between
};

}  // namespace resnet

#endif
