#ifndef RESNET_TESTS_MODEL_FRAMES_H
#define RESNET_TESTS_MODEL_FRAMES_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "model/preprocess.h"

namespace resnet {

/// A picture with its own memory, for tests.
struct Frame {
  Image image;
  std::array<std::vector<std::uint8_t>, 3> memory;
};

/// How the rows of a test picture lie in memory.
struct RowLayout {
  int padding = 0;         ///< junk bytes behind each row
  bool bottom_up = false;  ///< negative strides
};

/// The defaults but for these.
Preprocessing make_preprocessing(int resize_size, int crop_size,
                                 Interpolation interpolation = Interpolation::bilinear);

/// Those of pixel_layouts, and the ones among them that are not RGB in one plane.
std::vector<PixelFormat> all_formats();
std::vector<PixelFormat> yuv_formats();

/// The noise of pillow_cases.py.
std::vector<std::uint8_t> make_pixels(int width, int height, std::uint64_t seed);

Frame make_rgb_frame(int width, int height, std::uint64_t seed, RowLayout layout = {});
/// Noise in every plane.
Frame make_frame(PixelFormat format, int width, int height, std::uint64_t seed, RowLayout layout = {});
Image view(const RgbPicture& picture);
/// `image` as 8-bit RGB at its own size, pixel by pixel: chroma to luma resolution, matrix, rounded and
/// clamped. The reference that the fast paths are held against.
RgbPicture to_rgb(const Image& image);
std::string name(PixelFormat format);

}  // namespace resnet

#endif
