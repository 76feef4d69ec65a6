#ifndef RESNET_TRAINING_TIME_PLAN_H
#define RESNET_TRAINING_TIME_PLAN_H

#include <cstddef>

#include "training/recipe.h"

namespace resnet {

/// What was measured of training at one size of the crops.
struct SpeedAt {
  int size = 0;
  double picture_seconds = 0;
};

/// What training costs.
struct Costs {
  SpeedAt small, large;      ///< the same where crops do not grow
  std::size_t pictures = 0;  ///< of an epoch
  double val_seconds = 0;    ///< of an epoch
  double once_seconds = 0;   ///< of the first epoch: pictures are read from their files
};

/// Seconds of an epoch, 0…epochs−1. Between the two sizes measured a picture's time is linear in its area.
double epoch_seconds(const Recipe& recipe, const Costs& costs, int epoch);

/// Costs that come halfway to what an epoch with crops of some size was measured to take.
/// @param seconds of its training
Costs corrected(Costs costs, int size, double seconds);

/// How many epochs a run can have that has done some and may go on for so long; at least those, and one.
int epochs_that_fit(const Recipe& recipe, const Costs& costs, int done, double seconds);

}  // namespace resnet

#endif
