#include "plugin/analytics_meta.h"

#include <algorithm>

#include <gst/analytics/analytics.h>

namespace resnet {

namespace {

std::optional<guint64> tracking_of(GstAnalyticsRelationMeta* relations, guint object) {
  gpointer state = nullptr;
  GstAnalyticsMtd tracking;
  guint64 id = 0;
  GstClockTime first_seen = 0, last_seen = 0;
  gboolean lost = FALSE;
  if (!gst_analytics_relation_meta_get_direct_related(relations, object, GST_ANALYTICS_REL_TYPE_ANY,
                                                      gst_analytics_tracking_mtd_get_mtd_type(), &state,
                                                      &tracking) ||
      !gst_analytics_tracking_mtd_get_info(&tracking, &id, &first_seen, &last_seen, &lost) || lost) {
    return std::nullopt;
  }
  return id;
}

}  // namespace

std::vector<DetectedObject> detected_objects(GstBuffer* buffer) {
  std::vector<DetectedObject> objects;
  GstAnalyticsRelationMeta* relations = gst_buffer_get_analytics_relation_meta(buffer);
  if (relations == nullptr) return objects;
  gpointer state = nullptr;
  GstAnalyticsMtd object;
  while (
      gst_analytics_relation_meta_iterate(relations, &state, gst_analytics_od_mtd_get_mtd_type(), &object)) {
    gint x = 0, y = 0, width = 0, height = 0;
    gfloat confidence = 0;
    if (!gst_analytics_od_mtd_get_location(&object, &x, &y, &width, &height, &confidence)) continue;
    // Detectors also find what is half outside.
    const auto inside = [](gint from, gint size) {
      return static_cast<guint>(std::max<gint64>(0, size + std::min<gint64>(0, from)));
    };
    objects.push_back({gst_analytics_mtd_get_id(&object),
                       gst_analytics_od_mtd_get_obj_type(&object),
                       {static_cast<guint>(std::max(0, x)), static_cast<guint>(std::max(0, y)),
                        inside(x, width), inside(y, height)},
                       tracking_of(relations, object.id)});
  }
  return objects;
}

void add_analytics_classes(GstBuffer* buffer, const std::vector<ClassScore>& scores,
                           std::optional<guint> object) {
  if (scores.empty()) return;
  std::vector<gfloat> confidences;
  std::vector<GQuark> labels;
  for (const ClassScore& score : scores) {
    confidences.push_back(static_cast<gfloat>(score.probability));
    labels.push_back(g_quark_from_string(valid_utf8(score.label).c_str()));
  }
  // It grows; by default it would begin with 1024 bytes for each frame.
  GstAnalyticsRelationMetaInitParams room{.initial_relation_order = 5, .initial_buf_size = 256};
  GstAnalyticsRelationMeta* relations = gst_buffer_add_analytics_relation_meta_full(buffer, &room);
  GstAnalyticsMtd classes;
  if (relations == nullptr || !gst_analytics_relation_meta_add_cls_mtd(
                                  relations, scores.size(), confidences.data(), labels.data(), &classes)) {
    return;
  }
  if (!object) return;
  // From the object to the classes is what objectdetectionoverlay follows; the way back tells them from the
  // frame's.
  gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_RELATE_TO, *object, classes.id);
  gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_RELATE_TO, classes.id, *object);
}

}  // namespace resnet
