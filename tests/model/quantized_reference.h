#ifndef RESNET_TESTS_MODEL_QUANTIZED_REFERENCE_H
#define RESNET_TESTS_MODEL_QUANTIZED_REFERENCE_H

#include <memory>

#include "model/executor.h"
#include "model/quantization.h"

namespace resnet {

/// What int8 executors are tested against: the quantized network as model/quantization.h defines it, in exact
/// integer sums (as doubles), every other operation in double. Slow.
std::unique_ptr<Executor> make_quantized_reference(const ResNet& network, const Quantization& quantization,
                                                   const Preprocessing& preprocessing);

}  // namespace resnet

#endif
