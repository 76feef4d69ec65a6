#ifndef RESNET_PLUGIN_ALLOCATION_QUERY_H
#define RESNET_PLUGIN_ALLOCATION_QUERY_H

#include <gst/gst.h>

namespace resnet {

/// Adds to downstream's answer to an ALLOCATION query what an element needs that holds frames: `held` more
/// buffers in each pool (one is proposed where there is none), and the video meta, since any stride will do.
void add_held_buffers(GstQuery* query, guint held);

}  // namespace resnet

#endif
