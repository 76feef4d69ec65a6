#ifndef RESNET_MODEL_CURRENT_ERROR_H
#define RESNET_MODEL_CURRENT_ERROR_H

#include "model/engine.h"

namespace resnet {

/// Short enough that neither making nor copying it takes memory.
inline EngineError out_of_memory() { return {ErrorCode::device, "out of memory"}; }

/// What a caught exception says, for the other side of the engine module's border.
EngineError current_error() noexcept;

}  // namespace resnet

#endif
