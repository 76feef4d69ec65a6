#ifndef RESNET_PLUGIN_CLASSIFY_OUTPUT_H
#define RESNET_PLUGIN_CLASSIFY_OUTPUT_H

#include <gst/gst.h>

#include "plugin/classify_state.h"

namespace resnet {

/// The way out, in the source pad's task: puts on a frame what is known of it, and pushes it. Takes the item.
/// May throw.
GstFlowReturn finish_frame(GstElement* element, GstPad* source_pad, ClassifyState& state,
                           ClassifyQueue::Item item);

/// What passes the frames matters to their results: a segment starts them anew.
void note_event(ClassifyState& state, GstEvent* event);

/// The element's statistics, to be freed by the caller.
GstStructure* make_statistics(ClassifyState& state);

}  // namespace resnet

#endif
