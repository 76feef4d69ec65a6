#ifndef RESNET_TRAINING_AUGMENT_H
#define RESNET_TRAINING_AUGMENT_H

#include <cstdint>

#include "model/preprocess.h"
#include "training/random.h"

namespace resnet {

/// torchvision's RandomResizedCrop, RandomHorizontalFlip and ColorJitter, on 8-bit RGB with Pillow's
/// arithmetic.
struct Augmentation {
  int size = 224;           ///< side of the result in pixels
  double min_scale = 0.08;  ///< part of the picture's area that the crop has at least; at most all
  bool flip = true;         ///< mirrored left to right half of the time
  double jitter = 0;  ///< brightness, contrast and saturation are scaled by 1 ± jitter, in random order
};

/// A rectangle of whole pixels.
struct Crop {
  int left = 0, top = 0, width = 0, height = 0;
};

/// RandomResizedCrop's rectangle: `min_scale`…1 of the area, aspect ratio 3/4…4/3.
Crop random_crop(int width, int height, double min_scale, Random& random);

/// Writes size·size·3 bytes, rows of RGB, to `out`. What comes out depends on the arguments alone.
void augment(const RgbPicture& picture, const Augmentation& augmentation, Random& random, std::uint8_t* out);

}  // namespace resnet

#endif
