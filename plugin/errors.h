#ifndef RESNET_PLUGIN_ERRORS_H
#define RESNET_PLUGIN_ERRORS_H

#include <gst/gst.h>

#include "model/engine.h"

namespace resnet {

/// Posts an engine's error on the bus: the one place that maps ErrorCode to GStreamer's domains.
///  not_found → RESOURCE/NOT_FOUND, read → RESOURCE/OPEN_READ, write → RESOURCE/OPEN_WRITE, format →
///  STREAM/WRONG_TYPE, mismatch and unsupported → RESOURCE/SETTINGS, device → RESOURCE/FAILED
void post_engine_error(GstElement* element, const EngineError& error);

}  // namespace resnet

#endif
