#ifndef RESNET_TRAINING_AUGMENT_H
#define RESNET_TRAINING_AUGMENT_H

#include <array>
#include <cstdint>
#include <optional>

#include "model/preprocess.h"
#include "training/augmentation_policy.h"
#include "training/random.h"

namespace resnet {

/// The nearest bytes to the mean that normalisation subtracts.
std::array<std::uint8_t, 3> mean_color(const Preprocessing& preprocessing);

/// torchvision's RandomResizedCrop, RandomHorizontalFlip, TrivialAugmentWide or RandAugment, ColorJitter and
/// RandomErasing (arXiv:1708.04896), in that order, on 8-bit RGB with Pillow's arithmetic. What is off draws
/// no random numbers.
struct Augmentation {
  int size = 224;           ///< side of the result in pixels
  double min_scale = 0.08;  ///< part of the picture's area that the crop has at least; at most all
  bool flip = true;         ///< mirrored left to right half of the time
  AugmentationPolicy policy = AugmentationPolicy::none;
  double jitter = 0;  ///< brightness, contrast and saturation are scaled by 1 ± jitter, in random order
  double erase = 0;   ///< part of the pictures that have a rectangle erased, 0…1
  /// What it is filled with. torchvision erases after normalisation, with 0; the mean colour's nearest bytes
  /// become at most half an 8-bit step there: less than 0.009 with ImageNet's numbers.
  std::array<std::uint8_t, 3> erase_color = mean_color(Preprocessing{});
};

/// A rectangle of whole pixels.
struct Crop {
  int left = 0, top = 0, width = 0, height = 0;
};

/// RandomResizedCrop's rectangle: `min_scale`…1 of the area, aspect ratio 3/4…4/3.
Crop random_crop(int width, int height, double min_scale, Random& random);

/// RandomErasing's rectangle: 0.02…0.33 of the area, height 0.3…3.3 of the width, smaller than the picture on
/// both sides; none when ten tries fit none, as in pictures of few pixels.
std::optional<Crop> random_erasing(int width, int height, Random& random);

/// Writes size·size·3 bytes, rows of RGB, to `out`. What comes out depends on the arguments alone.
void augment(const RgbPicture& picture, const Augmentation& augmentation, Random& random, std::uint8_t* out);

}  // namespace resnet

#endif
