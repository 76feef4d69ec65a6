#ifndef RESNET_TRAINING_STATE_TENSORS_H
#define RESNET_TRAINING_STATE_TENSORS_H

#include <string>

#include "model/checkpoint.h"

namespace resnet {

// The state of a run is one list of tensors, the names of which begin with what they are the state of.

/// Adds `from` with `prefix` before each name, on the CPU.
void append(NamedTensors& to, const std::string& prefix, const NamedTensors& from);

/// Those of `from` whose names begin with `prefix`, without it.
NamedTensors with_prefix(const NamedTensors& from, const std::string& prefix);

/// Copies tensors of the same names.
/// @param where the file that `from` is of
/// @throws Error mismatch naming the first of `to` that `from` has not, or with another shape
void restore(const NamedTensors& to, const NamedTensors& from, const std::string& where);

}  // namespace resnet

#endif
