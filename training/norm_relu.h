#ifndef RESNET_TRAINING_NORM_RELU_H
#define RESNET_TRAINING_NORM_RELU_H

#include "model/resnet_fwd.h"

namespace resnet {

/// Makes the batch norms of a network that is trained normalise, add the block's input and apply ReLU in one
/// go, and go back in two, where LibTorch's operators read and write the activations seven times. The stem's
/// pools as well. For bf16 on the CPU; anything else takes LibTorch's way. Results differ by what is not
/// rounded to bf16 in between.
/// @param places_first what is pooled lies in memory as [H, W, N, C], else as [N, H, W, C]
void fuse_norms(const ResNet& network, bool places_first = false);

}  // namespace resnet

#endif
