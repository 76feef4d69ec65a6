#ifndef RESNET_MODEL_RESNET_FWD_H
#define RESNET_MODEL_RESNET_FWD_H

#include <cstdint>
#include <memory>

#include "model/architecture.h"

// A network for those who pass it on: model/resnet.h says what is in it, and takes a compiler ten seconds.
namespace resnet {

/// What a new network's convolutions and head hold: random numbers, to be trained; or memory that nothing has
/// been written to yet, which costs nothing.
enum class InitialWeights : std::uint8_t { random, unset };

class ResNetImpl;
/// A copy is the same network, as with LibTorch's modules.
using ResNet = std::shared_ptr<ResNetImpl>;

/// Random weights are as torchvision's: Kaiming normal, fan out; batch norms 1 and 0.
/// @param num_classes 0 builds no head: forward then returns the pooled features
ResNet make_resnet(const Architecture& architecture, int num_classes,
                   InitialWeights weights = InitialWeights::random);

}  // namespace resnet

#endif
