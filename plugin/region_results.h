#ifndef RESNET_PLUGIN_REGION_RESULTS_H
#define RESNET_PLUGIN_REGION_RESULTS_H

#include <optional>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "plugin/classification_meta.h"

namespace resnet {

/// A GstVideoRegionOfInterestMeta and what was found in it.
struct RegionResult {
  std::string type;  ///< of the region: "face"
  guint x = 0, y = 0, width = 0, height = 0;
  std::optional<ClassScore> best;  ///< nothing: not classified, or none of these
  bool drawn = false;              ///< the frame shows it already

  bool operator==(const RegionResult&) const = default;
};

/// Puts a class on the n-th region of a writable buffer: a parameter `classification` with `label`,
/// `label_id`, `confidence` and `model_name`, which DL Streamer's readers understand. One that is there goes.
void add_region_result(GstBuffer* buffer, gint region, const ClassScore& score, const std::string& model);

/// Puts features on the n-th region of a writable buffer: a parameter `features` with `values` (GBytes of
/// native-endian 32-bit floats) and `model_name`. One that is there goes.
void add_region_features(GstBuffer* buffer, gint region, GBytes* features, const std::string& model);

/// The buffer's regions in their order.
std::vector<RegionResult> read_region_results(GstBuffer* buffer);

/// Notes on a writable buffer that its regions' classes are drawn (`drawn` beside them), so that nobody draws
/// them again.
void mark_regions_drawn(GstBuffer* buffer);

/// What an overlay draws of the buffer's regions, into those that are there: classes of at least that
/// probability that the frame does not show.
void read_caption_regions(GstBuffer* buffer, double threshold, std::vector<CaptionRegion>& captions);

}  // namespace resnet

#endif
