#ifndef RESNET_MODEL_PICKLE_GLOBALS_H
#define RESNET_MODEL_PICKLE_GLOBALS_H

#include <optional>
#include <string_view>

#include <c10/core/ScalarType.h>

#include "model/pickle_reader.h"

namespace resnet {

struct KnownGlobal {
  PickleGlobal global;
  at::ScalarType type = at::ScalarType::Byte;  ///< of a storage class
};

/// The allow-list: what a name in a pickle stands for, or nothing when weights have no business naming it.
std::optional<KnownGlobal> find_global(std::string_view module, std::string_view name);

/// "FloatStorage" for Float; nothing for types that have no storage class.
std::optional<std::string_view> storage_class_name(at::ScalarType type);

}  // namespace resnet

#endif
