#ifndef RESNET_TRAINING_SYNC_BATCH_NORM_H
#define RESNET_TRAINING_SYNC_BATCH_NORM_H

#include "model/resnet_fwd.h"
#include "training/process_group.h"

namespace resnet {

/// Lets the network's batch norms, in training, take mean and variance over the pictures of all processes, as
/// torch.nn.SyncBatchNorm does, of which LibTorch's C++ API has none: each process's mean, variance and count
/// are exchanged on the way forward, the two sums over the gradient on the way back. Some processes may have
/// no pictures.
/// @param group must outlive the network's use
void synchronise_batch_norms(const ResNet& network, const ProcessGroup& group);

}  // namespace resnet

#endif
