#ifndef RESNET_PLUGIN_CLASSIFY_INPUT_H
#define RESNET_PLUGIN_CLASSIFY_INPUT_H

#include <gst/gst.h>

#include "plugin/classify_state.h"
#include "plugin/gst_ptr.h"

namespace resnet {

/// The way in, in the sink pad's streaming thread: decides whether a frame is classified, gives its pixels to
/// the engine and queues it. Takes the buffer. May throw.
GstFlowReturn submit_frame(GstElement* element, ClassifyState& state, BufferPtr buffer);

}  // namespace resnet

#endif
