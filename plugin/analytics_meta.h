#ifndef RESNET_PLUGIN_ANALYTICS_META_H
#define RESNET_PLUGIN_ANALYTICS_META_H

#include <optional>
#include <vector>

#include <gst/gst.h>

#include "plugin/classification_meta.h"
#include "plugin/frame_image.h"

namespace resnet {

/// An object that a detector found, as GStreamer's own put it on frames: a GstAnalyticsODMtd.
struct DetectedObject {
  guint id = 0;  ///< in the frame's GstAnalyticsRelationMeta
  GQuark type = 0;
  Rectangle box;                      ///< what lies right of and below the frame's corner
  std::optional<guint64> tracking{};  ///< of a GstAnalyticsTrackingMtd that it is related to
};

#ifdef RESNET_HAS_ANALYTICS

/// The frame's objects in their order.
std::vector<DetectedObject> detected_objects(GstBuffer* buffer);

/// Adds a GstAnalyticsClsMtd with the classes, best first, to a writable buffer; nothing for no classes.
/// @param object the id of the object that they are the classes of: each is related to the other; nothing:
/// they are
///   the frame's
void add_analytics_classes(GstBuffer* buffer, const std::vector<ClassScore>& scores,
                           std::optional<guint> object = std::nullopt);

#else  // GStreamer is older than 1.24

inline std::vector<DetectedObject> detected_objects(GstBuffer*) { return {}; }
inline void add_analytics_classes(GstBuffer*, const std::vector<ClassScore>&,
                                  std::optional<guint> = std::nullopt) {}

#endif

}  // namespace resnet

#endif
