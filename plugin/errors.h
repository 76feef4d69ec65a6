#ifndef RESNET_PLUGIN_ERRORS_H
#define RESNET_PLUGIN_ERRORS_H

#include <string>

#include <gst/gst.h>

#include "model/engine.h"

namespace resnet {

/// Posts an error or a warning on the bus. @param text a sentence with the fix  @param detail for developers
void post_message(GstElement* element, GstMessageType type, GQuark domain, int code, const std::string& text,
                  const std::string& detail);

/// The same of what an engine says: the one place that maps ErrorCode to GStreamer's domains.
///  not_found → RESOURCE/NOT_FOUND, read → RESOURCE/OPEN_READ, write → RESOURCE/OPEN_WRITE, format →
///  STREAM/WRONG_TYPE, mismatch and unsupported → RESOURCE/SETTINGS, device → RESOURCE/FAILED
void post_engine_message(GstElement* element, GstMessageType type, const EngineError& error);

}  // namespace resnet

#endif
