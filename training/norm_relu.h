#ifndef RESNET_TRAINING_NORM_RELU_H
#define RESNET_TRAINING_NORM_RELU_H

#include "model/resnet.h"

namespace resnet {

/// Makes the batch norms of a network that is trained normalise, add the block's input and apply ReLU in one
/// go, and go back in two, where LibTorch's operators read and write the activations seven times. For bf16 on
/// the CPU; anything else takes LibTorch's way. Results differ by what is not rounded to bf16 in between.
void fuse_norms(const ResNet& network);

}  // namespace resnet

#endif
