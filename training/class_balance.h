#ifndef RESNET_TRAINING_CLASS_BALANCE_H
#define RESNET_TRAINING_CLASS_BALANCE_H

#include <cstddef>
#include <vector>

#include "training/image_folder.h"
#include "training/random.h"

namespace resnet {

/// Weights of the classes in the loss: n / (classes · pictures of the class), so that each class counts the
/// same and the mean over the pictures is 1 (scikit-learn's class_weight="balanced"). 0 for a class without.
std::vector<float> balanced_weights(const std::vector<Sample>& samples, std::size_t classes);

/// What an epoch shows, in its order: sample + samples.size() · how often it came before in this epoch, so
/// that each turn has random numbers of its own.
std::vector<std::size_t> shuffled_order(const std::vector<Sample>& samples, Random& random);

/// The same with equally many turns of each class: all of a class's pictures come before one comes again.
std::vector<std::size_t> balanced_order(const std::vector<Sample>& samples, std::size_t classes,
                                        Random& random);

}  // namespace resnet

#endif
