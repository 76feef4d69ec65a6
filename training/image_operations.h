#ifndef RESNET_TRAINING_IMAGE_OPERATIONS_H
#define RESNET_TRAINING_IMAGE_OPERATIONS_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/preprocess.h"

namespace resnet {

/// The operations that torchvision's TrivialAugmentWide and RandAugment choose from, in their order.
enum class Operation : std::uint8_t {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  auto_contrast,
  equalize,
};
constexpr std::size_t kOperations = 14;

/// One operation with torchvision's meaning of its magnitude. The result is, byte for byte, what torchvision
/// makes of a Pillow image on x86-64, with nearest interpolation and black where nothing is left, for
/// pictures of at most 16384 pixels on a side.
/// @param magnitude shear_x, shear_y: pixels per row or column, about the upper left corner; translate_x,
/// translate_y: pixels to the right or down, truncated; rotate: degrees counter-clockwise about the centre;
/// brightness, color, contrast, sharpness: what is added to the factor 1 (−1 black, grey, flat, smoothed;
/// 0 as it was); posterize: bits to keep, 1…8, truncated; solarize: values not below it are inverted. The
/// others have none.
/// @param scratch any bytes; kept by the caller so that memory is taken once
/// @throws Error unsupported for bits outside 1…8
void apply_operation(RgbPicture& picture, Operation operation, double magnitude,
                     std::vector<std::uint8_t>& scratch);

/// Pillow's ImageEnhance.Brightness, Contrast and Color: 0 is black, the mean grey or grey, 1 the picture as
/// it was. With a float factor they equal Pillow's byte for byte; with a double one, a few values in a
/// million are a step off.
template <typename Factor>
void adjust_brightness(RgbPicture& picture, Factor factor);
template <typename Factor>
void adjust_contrast(RgbPicture& picture, Factor factor);
template <typename Factor>
void adjust_saturation(RgbPicture& picture, Factor factor, std::vector<std::uint8_t>& scratch);

/// Left becomes right.
void mirror(RgbPicture& picture);

}  // namespace resnet

#endif
