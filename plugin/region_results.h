#ifndef RESNET_PLUGIN_REGION_RESULTS_H
#define RESNET_PLUGIN_REGION_RESULTS_H

#include <optional>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "plugin/classification_meta.h"

namespace resnet {

/// A part of a frame that a detector found: a GstVideoRegionOfInterestMeta, a GstAnalyticsODMtd, or one of
/// each for the same pixels.
struct FrameRegion {
  GQuark type = 0;
  guint x = 0, y = 0, width = 0, height = 0;
  std::optional<guint> object;  ///< the id of the GstAnalyticsODMtd
};

/// The buffer's regions: its GstVideoRegionOfInterestMetas in their order, then the GstAnalyticsODMtds
/// without one.
std::vector<FrameRegion> find_regions(GstBuffer* buffer);

/// Gives each GstAnalyticsODMtd of a writable buffer a GstVideoRegionOfInterestMeta with its id, where it has
/// none; the regions keep their order.
void add_region_metas(GstBuffer* buffer);

/// A GstVideoRegionOfInterestMeta and what was found in it.
struct RegionResult {
  std::string type;  ///< of the region: "face"
  guint x = 0, y = 0, width = 0, height = 0;
  std::optional<ClassScore> best;  ///< nothing: not classified, or none of these
  bool drawn = false;              ///< the frame shows it already

  bool operator==(const RegionResult&) const = default;
};

/// Puts classes, best first, on the n-th GstVideoRegionOfInterestMeta of a writable buffer: the best one in a
/// parameter `classification` with `label`, `label_id`, `confidence` and `model_name`, which DL Streamer's
/// readers understand, in the place of one that is there; all of them in a GstAnalyticsClsMtd where there is
/// a GstAnalyticsODMtd.
void add_region_result(GstBuffer* buffer, gint region, const std::vector<ClassScore>& scores,
                       const std::string& model);

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
