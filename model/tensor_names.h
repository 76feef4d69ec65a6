#ifndef RESNET_MODEL_TENSOR_NAMES_H
#define RESNET_MODEL_TENSOR_NAMES_H

#include <string>
#include <vector>

#include "model/checkpoint.h"

namespace resnet {

/// What stands before the names of each ResNet among the tensors, in their order: "" for names as torchvision
/// has them, "module." for those of a DataParallel, "student." and "teacher." of two.
std::vector<std::string> network_prefixes(const NamedTensors& tensors);

/// Gives the tensors of the only ResNet the names that torchvision's have, and notes it: removes what stands
/// before them (modules that wrap it: DataParallel, torch.compile, a LightningModule), and makes `fc` of the
/// only layer with weights in an `fc` of several. Others keep their names; without a ResNet, or with several,
/// all do.
void normalise_names(Checkpoint& checkpoint);

}  // namespace resnet

#endif
