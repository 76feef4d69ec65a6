#ifndef RESNET_PLUGIN_ENGINE_MODULE_H
#define RESNET_PLUGIN_ENGINE_MODULE_H

#include "model/engine.h"

namespace resnet {

/// The engine's entry, loaded at the first call and kept until the process ends: LibTorch cannot be unloaded.
/// Looked for where RESNET_ENGINE_MODULE says, else beside the plugin's own file: ../gst-resnet/ where it is
/// installed, ../model/ where it was built.
/// @return nullptr with a detail in `why` when it cannot be loaded. Thread-safe.
const EngineModule* load_engine_module(std::string& why);

/// Whether that has been done. Thread-safe.
bool engine_module_is_loaded();

}  // namespace resnet

#endif
