#ifndef RESNET_TRAINING_MIX_H
#define RESNET_TRAINING_MIX_H

#include <cstdint>
#include <vector>

#include "training/augment.h"
#include "training/random.h"

namespace resnet {

/// How the pictures of a batch are mixed, each with the one before it and the first with the last, as
/// torchvision's v2.MixUp and v2.CutMix do.
struct BatchMix {
  enum class Kind : std::uint8_t {
    none,
    mixup,  ///< every pixel is the weighted mean of both (arXiv:1710.09412)
    cutmix  ///< `box` comes from the other picture (arXiv:1905.04899)
  };
  Kind kind = Kind::none;
  double weight = 1;  ///< of a picture's own label, 0…1, a multiple of 2^-16 for mixup
  Crop box;           ///< may be empty
};

/// The weight is Beta(alpha, alpha), alpha > 0, rounded to what the pixels get.
BatchMix draw_mixup(double alpha, Random& random);

/// 1 − Beta(alpha, alpha) of the area round an even point of the picture; what lies outside is cut off, and
/// the weight is the part of the area that stays.
BatchMix draw_cutmix(int size, double alpha, Random& random);

/// One of the two, with even chances, or the one whose alpha is above 0, or none: as torchvision's reference
/// training does.
BatchMix draw_mix(int size, double mixup_alpha, double cutmix_alpha, Random& random);

/// What a picture also shows after mixing.
struct SecondLabels {
  std::vector<std::int64_t> labels;  ///< by picture
  double weight = 0;                 ///< of each: 1 − BatchMix::weight
};

/// Mixes the pictures in place. Mixup's bytes are rounded to the nearest, half upwards; normalisation being
/// linear, they become what torchvision makes of the normalised pictures but for half an 8-bit step.
/// @param bytes [n, size, size, 3]
/// @param labels n
/// @throws Error mismatch when the two do not fit
SecondLabels mix_batch(const BatchMix& mix, int size, const std::vector<std::int64_t>& labels,
                       std::vector<std::uint8_t>& bytes);

}  // namespace resnet

#endif
