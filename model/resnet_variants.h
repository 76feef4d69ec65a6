#ifndef RESNET_MODEL_RESNET_VARIANTS_H
#define RESNET_MODEL_RESNET_VARIANTS_H

#include "model/checkpoint.h"

namespace resnet {

/// Refuses what is related to the networks of model/resnet.h and is none of them: timm's ResNets and other
/// families whose tensors would be missing, misshapen or, which is worse, ignored. Told by names and numbers
/// of dimensions, as timm's resnet.py and Hugging Face's transformers give them. What leaves no trace in a
/// state dict (anti-aliasing by AvgPool2d, an activation other than ReLU, dilation) cannot be told.
/// @throws Error unsupported "not a supported ResNet: …" that says what it has and names a tensor
void refuse_variants(const NamedTensors& tensors);

}  // namespace resnet

#endif
