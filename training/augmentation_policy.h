#ifndef RESNET_TRAINING_AUGMENTATION_POLICY_H
#define RESNET_TRAINING_AUGMENTATION_POLICY_H

#include <cstdint>
#include <string>
#include <vector>

#include "model/preprocess.h"
#include "training/image_operations.h"
#include "training/random.h"

namespace resnet {

/// Which operations a training picture goes through.
enum class AugmentationPolicy : std::uint8_t {
  none,
  trivial,  ///< torchvision's TrivialAugmentWide (arXiv:2103.10158)
  rand,     ///< torchvision's RandAugment (arXiv:1909.13719)
};

/// "none", "trivial", "rand".
/// @throws Error unsupported, listing the names there are
AugmentationPolicy augmentation_policy(const std::string& name);

/// An operation and torchvision's magnitude for it.
struct OperationChoice {
  Operation operation = Operation::identity;
  double magnitude = 0;
};

/// TrivialAugmentWide's choice: any operation with any of 31 magnitudes, of either sign where one makes
/// sense.
OperationChoice choose_trivial(Random& random);

/// RandAugment's choice for a picture of that size: any operation with magnitude 0…30 of its own, milder
/// range.
OperationChoice choose_rand(int width, int height, int magnitude, Random& random);

/// One operation of TrivialAugmentWide, or two of RandAugment with magnitude 9, torchvision's defaults.
void apply_policy(RgbPicture& picture, AugmentationPolicy policy, Random& random,
                  std::vector<std::uint8_t>& scratch);

}  // namespace resnet

#endif
