#ifndef RESNET_MODEL_YUV_H
#define RESNET_MODEL_YUV_H

#include <cstdint>

#include "model/image.h"

namespace resnet {

/// Converts columns begin…end−1 of row `y` to RGB, three bytes a pixel, at `out`. Chroma is interpolated
/// linearly between its samples by the siting, in eighths; YUV goes through the matrix in 16-bit fixed point,
/// rounded and clamped.
void convert_row(const Image& image, int y, int begin, int end, std::uint8_t* out);

/// @throws Error unsupported for sides outside 1…32768
void check_image(const Image& image);

}  // namespace resnet

#endif
