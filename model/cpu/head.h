#ifndef RESNET_MODEL_CPU_HEAD_H
#define RESNET_MODEL_CPU_HEAD_H

#include <ATen/core/Tensor.h>

#include "model/cpu/operation.h"

namespace resnet::cpu {

/// Features in fp32, as activations of one row whose pixels are the pictures: for such the head is a
/// convolution.
Activations features_of(const Activations& last, int pictures);

/// Writes the mean of each channel of a picture to its place in the features.
void average(const Activations& last, float scale, int picture, const Activations& features);

/// [pictures, channels] of features or logits.
at::Tensor to_tensor(const Activations& rows);

}  // namespace resnet::cpu

#endif
