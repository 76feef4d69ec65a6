#ifndef RESNET_PLUGIN_RESULT_JSON_H
#define RESNET_PLUGIN_RESULT_JSON_H

#include <cstdint>
#include <optional>
#include <string>

#include <gst/gst.h>

#include "plugin/classification_meta.h"
#include "plugin/region_results.h"

namespace resnet {

/// One frame as one line of JSON without a line break: version, stream, frame, pts and duration (ns, null
/// when the frame has none), time ("0:00:01.000000000"), classes [{id, label, probability}] best first, age
/// (ns), model, digest. A frame that was not classified has null for classes, age, model and digest. One with
/// regions of interest has regions [{type, x, y, width, height, class}] too, the class null or as in classes.
/// @param stream the video's stream id, for frames whose result names none
std::string result_json(const std::optional<Classification>& result, const std::vector<RegionResult>& regions,
                        const std::string& stream, std::uint64_t frame, GstClockTime pts,
                        GstClockTime duration);

}  // namespace resnet

#endif
