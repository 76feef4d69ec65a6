#ifndef RESNET_PLUGIN_RESULT_JSON_H
#define RESNET_PLUGIN_RESULT_JSON_H

#include <cstdint>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "plugin/classification_meta.h"
#include "plugin/region_results.h"

namespace resnet {

/// What a line says of a frame beside its classes.
struct JsonFrame {
  std::string stream;  ///< the video's stream id, for frames whose result names none
  std::uint64_t number = 0;
  GstClockTime pts = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;
  GstClockTime wall_clock = 0;                  ///< now, in nanoseconds since 1970
  GstClockTime captured = GST_CLOCK_TIME_NONE;  ///< likewise
};

/// One frame as one line of JSON without a line break, as resnetjson.schema.json describes it.
std::string result_json(const std::vector<Classification>& results, const std::vector<RegionResult>& regions,
                        const JsonFrame& frame);

}  // namespace resnet

#endif
