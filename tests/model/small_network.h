#ifndef RESNET_TESTS_MODEL_SMALL_NETWORK_H
#define RESNET_TESTS_MODEL_SMALL_NETWORK_H

#include "model/resnet_fwd.h"

namespace resnet {

inline Architecture small_basic() { return {BlockType::basic, {1, 1, 2, 1}, 16, 1, 64}; }
inline Architecture small_bottleneck() { return {BlockType::bottleneck, {1, 2, 1, 1}, 16, 1, 64}; }
inline Architecture small_grouped() { return {BlockType::bottleneck, {1, 1, 1, 1}, 16, 4, 32}; }

/// A network in eval mode whose batch norms have statistics and factors unlike the initial 0 and 1.
ResNet make_network(const Architecture& architecture, int classes);

}  // namespace resnet

#endif
