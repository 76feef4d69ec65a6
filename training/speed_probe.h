#ifndef RESNET_TRAINING_SPEED_PROBE_H
#define RESNET_TRAINING_SPEED_PROBE_H

#include "model/preprocessing.h"
#include "training/learner.h"
#include "training/picture_store.h"
#include "training/recipe.h"
#include "training/time_plan.h"

namespace resnet {

/// Measures what training costs here, by a few batches of the pictures that it is for.
/// @param learner is trained meanwhile
/// @param seconds that this may take, about
Costs measure_costs(Learner& learner, PictureStore& train, PictureStore& val, const Recipe& recipe,
                    const Preprocessing& preprocessing, int workers, double seconds);

}  // namespace resnet

#endif
