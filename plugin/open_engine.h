#ifndef RESNET_PLUGIN_OPEN_ENGINE_H
#define RESNET_PLUGIN_OPEN_ENGINE_H

#include <memory>

#include <gst/gst.h>

#include "model/engine.h"
#include "plugin/classify_settings.h"

namespace resnet {

/// Opens the engine that an element's settings ask for and posts the model's warnings.
/// @return nullptr, with the error on the bus, when that fails
std::unique_ptr<Engine> open_engine(GstElement* element, const ClassifySettings& settings);

}  // namespace resnet

#endif
