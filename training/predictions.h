#ifndef RESNET_TRAINING_PREDICTIONS_H
#define RESNET_TRAINING_PREDICTIONS_H

#include <filesystem>
#include <vector>

namespace resnet {

/// What a network says of a picture whose class is known.
struct Prediction {
  std::filesystem::path path;
  std::size_t label = 0;      ///< index of the true class
  std::vector<float> logits;  ///< by class, as the network gives them: before any temperature
};

}  // namespace resnet

#endif
