#ifndef RESNET_MODEL_PRECISION_H
#define RESNET_MODEL_PRECISION_H

#include <cstdint>

namespace resnet {

/// Number format that the network computes in; `automatic`: the fastest that the device runs in hardware.
enum class Precision : std::uint8_t { automatic, fp32, bf16, fp16, int8 };

}  // namespace resnet

#endif
