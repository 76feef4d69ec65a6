#ifndef RESNET_TRAINING_FIRST_NETWORK_H
#define RESNET_TRAINING_FIRST_NETWORK_H

#include "model/resnet_fwd.h"
#include "training/console.h"
#include "training/run_state.h"

namespace resnet {

/// The network that a run begins with, and a note of what it is. Where the run goes on from its state, the
/// weights are still to come.
/// @param zero_init_residual random weights: each block starts as the identity
/// @throws Error as load_state_dict
ResNet first_network(const StartingPoint& start, int classes, bool zero_init_residual, Console& console);

}  // namespace resnet

#endif
