#ifndef RESNET_MODEL_QUANTIZED_STATE_H
#define RESNET_MODEL_QUANTIZED_STATE_H

#include "model/architecture.h"
#include "model/checkpoint.h"
#include "model/preprocessing.h"
#include "model/resnet_fwd.h"

namespace resnet {

/// What a model file of a quantized network holds, under the convolutions' names in torchvision's state dict:
/// `….weight` int8, `….weight_scale` fp32 [out] (quantize_weights of the folded ones), `….bias` fp32 [out].
/// `conv1.weight` is fp32: an executor quantizes it for its kind of input. `fc` as ever, no batch norms.
NamedTensors quantized_state(const ResNet& network);

/// Whether the file says that it is quantized, in its description or by a tensor named `….weight_scale`.
bool is_quantized(const Checkpoint& checkpoint);

/// Such a file as the state dict, each tensor checked, of a network that lower() makes the very weights of,
/// scale·values, and biases: its batch norms are the identity but for the bias. Other tensors stay; there is
/// no description.
/// @param preprocessing what the file says of its input
/// @throws Error mismatch, format naming the tensor, what is wrong with it and what is needed
Checkpoint dequantized(const Checkpoint& quantized, const InferredArchitecture& inferred,
                       const Preprocessing& preprocessing);

}  // namespace resnet

#endif
