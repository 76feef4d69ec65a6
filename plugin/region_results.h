#ifndef RESNET_PLUGIN_REGION_RESULTS_H
#define RESNET_PLUGIN_REGION_RESULTS_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "plugin/classification_meta.h"
#include "plugin/frame_image.h"

namespace resnet {

/// A part of a frame that a detector found: a GstVideoRegionOfInterestMeta, a GstAnalyticsODMtd, or one of
/// each for the same pixels.
struct FrameRegion {
  GQuark type = 0;
  Rectangle box;
  std::optional<guint> object{};      ///< the id of the GstAnalyticsODMtd
  std::optional<guint64> tracking{};  ///< its number in a tracker: DL Streamer's `object_id`, or a
                                      ///< GstAnalyticsTrackingMtd
};

/// The buffer's regions: its GstVideoRegionOfInterestMetas in their order, then the GstAnalyticsODMtds
/// without one.
std::vector<FrameRegion> find_regions(GstBuffer* buffer);

/// Gives each GstAnalyticsODMtd of a writable buffer a GstVideoRegionOfInterestMeta with its id, where it has
/// none.  @return the regions, which keep their order
std::vector<FrameRegion> add_region_metas(GstBuffer* buffer);

/// What an element found in a region.
struct RegionClassification {
  std::string stream, model;
  std::uint64_t age = 0;                  ///< ns
  std::vector<ClassScore> scores{};       ///< best first; empty: it is about features alone
  bool drawn = false;                     ///< the frame shows it already
  std::shared_ptr<GstBuffer> features{};  ///< native-endian 32-bit floats; null: none

  bool operator==(const RegionClassification&) const = default;
};

/// A GstVideoRegionOfInterestMeta and what was found in it.
struct RegionResult {
  std::string type;  ///< of the region: "face"
  Rectangle box;
  std::optional<guint64> tracking{};            ///< as in FrameRegion
  std::vector<RegionClassification> results{};  ///< of each element that classified it

  bool operator==(const RegionResult&) const = default;
};

/// Puts classes, best first, on the n-th GstVideoRegionOfInterestMeta of a writable buffer, in the place of
/// an earlier result of that stream: a parameter `classification` with `label`, `label_id`, `confidence` and
/// `model_name` of the best one, which DL Streamer's readers understand, `stream`, `age` and, of several
/// classes, the arrays `label-ids`, `labels` and `probabilities`. No classes: only the earlier result goes.
void add_region_result(GstBuffer* buffer, gint region, const RegionClassification& result);

/// The same with features: a parameter `features` with `values` (a GstBuffer of native-endian 32-bit floats),
/// `model_name`, `stream` and `age`.
/// @param result with features
void add_region_features(GstBuffer* buffer, gint region, const RegionClassification& result);

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
