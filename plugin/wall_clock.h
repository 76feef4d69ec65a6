#ifndef RESNET_PLUGIN_WALL_CLOCK_H
#define RESNET_PLUGIN_WALL_CLOCK_H

#include <string>

#include <gst/gst.h>

namespace resnet {

/// Nanoseconds since 1970 as RFC 3339 in UTC, cut to microseconds: "2026-11-24T23:51:13.123456Z".
std::string utc_text(GstClockTime since_1970);

/// When the frame was captured, in nanoseconds since 1970, by a GstReferenceTimestampMeta whose reference is
/// `timestamp/x-unix` or `timestamp/x-ntp`; GST_CLOCK_TIME_NONE where there is none.
GstClockTime capture_time(GstBuffer* buffer);

}  // namespace resnet

#endif
