#include "plugin/region_results.h"

#include <algorithm>
#include <utility>

#include <gst/video/gstvideometa.h>

#include "plugin/analytics_meta.h"

namespace resnet {

namespace {

constexpr const char* class_parameter = "classification";

// Calls use(region meta, its number) until that returns false.
template <typename Use>
void for_each_region(GstBuffer* buffer, Use use) {
  gpointer state = nullptr;
  for (gint i = 0;; ++i) {
    GstMeta* meta =
        gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    if (meta == nullptr || !use(*reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta), i)) return;
  }
}

// Puts a parameter on the n-th region, in the place of one of that name.
void set_parameter(GstBuffer* buffer, gint number, GstStructure* parameter) {
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& region, gint i) {
    if (i != number) return true;
    GstStructure* old =
        gst_video_region_of_interest_meta_get_param(&region, gst_structure_get_name(parameter));
    if (old != nullptr) {
      region.params = g_list_remove(region.params, old);
      gst_structure_free(old);
    }
    gst_video_region_of_interest_meta_add_param(&region, std::exchange(parameter, nullptr));
    return false;
  });
  if (parameter) gst_structure_free(parameter);
}

/// The parameter, as long as the region lives.
struct Found {
  const gchar* label = nullptr;  // null: not classified, or none of these
  int id = 0;
  double probability = 0;
  gboolean drawn = FALSE;
};

Found find(GstVideoRegionOfInterestMeta& region) {
  Found found;
  const GstStructure* s = gst_video_region_of_interest_meta_get_param(&region, class_parameter);
  if (s == nullptr || !gst_structure_get_int(s, "label_id", &found.id) ||
      !gst_structure_get_double(s, "confidence", &found.probability)) {
    return {};
  }
  gst_structure_get_boolean(s, "drawn", &found.drawn);
  found.label = gst_structure_get_string(s, "label");
  return found;
}

// Frames are smaller; sums of such numbers are numbers.
int coordinate(guint value) { return static_cast<int>(std::min(value, 1U << 24)); }

// Takes the object at the region's place from the list. DL Streamer gives both the same id, others do not: it
// decides between several.
std::optional<guint> take_object(std::vector<DetectedObject>& objects,
                                 const GstVideoRegionOfInterestMeta& region) {
  auto found = objects.end();
  for (auto object = objects.begin(); object != objects.end(); ++object) {
    if (object->x != region.x || object->y != region.y || object->width != region.w ||
        object->height != region.h) {
      continue;
    }
    const bool same_id = region.id >= 0 && object->id == static_cast<guint>(region.id);
    if (found == objects.end() || same_id) found = object;
  }
  if (found == objects.end()) return std::nullopt;
  const guint id = found->id;
  objects.erase(found);
  return id;
}

}  // namespace

std::vector<FrameRegion> find_regions(GstBuffer* buffer) {
  std::vector<DetectedObject> objects = detected_objects(buffer);
  std::vector<FrameRegion> regions;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& region, gint) {
    regions.push_back(
        {region.roi_type, region.x, region.y, region.w, region.h, take_object(objects, region)});
    return true;
  });
  for (const DetectedObject& object : objects) {
    regions.push_back({object.type, object.x, object.y, object.width, object.height, object.id});
  }
  return regions;
}

void add_region_metas(GstBuffer* buffer) {
  const std::vector<FrameRegion> regions = find_regions(buffer);
  std::size_t metas = 0;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta&, gint) { return ++metas, true; });
  for (std::size_t i = metas; i < regions.size(); ++i) {
    const FrameRegion& region = regions[i];
    GstVideoRegionOfInterestMeta* meta = gst_buffer_add_video_region_of_interest_meta_id(
        buffer, region.type, region.x, region.y, region.width, region.height);
    meta->id = static_cast<gint>(*region.object);
  }
}

void add_region_result(GstBuffer* buffer, gint region, const std::vector<ClassScore>& scores,
                       const std::string& model) {
  if (scores.empty()) return;
  const ClassScore& best = scores.front();
  set_parameter(
      buffer, region,
      gst_structure_new(class_parameter, "label", G_TYPE_STRING, valid_utf8(best.label).c_str(), "label_id",
                        G_TYPE_INT, best.id, "confidence", G_TYPE_DOUBLE, best.probability, "model_name",
                        G_TYPE_STRING, valid_utf8(model).c_str(), nullptr));
  const std::optional<guint> object = find_regions(buffer).at(static_cast<std::size_t>(region)).object;
  if (object) add_analytics_classes(buffer, scores, object);
}

void add_region_features(GstBuffer* buffer, gint region, GBytes* features, const std::string& model) {
  set_parameter(buffer, region,
                gst_structure_new("features", "values", G_TYPE_BYTES, features, "model_name", G_TYPE_STRING,
                                  valid_utf8(model).c_str(), nullptr));
}

std::vector<RegionResult> read_region_results(GstBuffer* buffer) {
  std::vector<RegionResult> results;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& region, gint) {
    const gchar* type = g_quark_to_string(region.roi_type);
    RegionResult result{type ? type : "", region.x, region.y, region.w, region.h, std::nullopt, false};
    const Found found = find(region);
    if (found.label) {
      result.best = ClassScore{found.id, found.label, found.probability};
      result.drawn = found.drawn != FALSE;
    }
    results.push_back(std::move(result));
    return true;
  });
  return results;
}

void mark_regions_drawn(GstBuffer* buffer) {
  for_each_region(buffer, [](GstVideoRegionOfInterestMeta& region, gint) {
    GstStructure* found = gst_video_region_of_interest_meta_get_param(&region, class_parameter);
    if (found) gst_structure_set(found, "drawn", G_TYPE_BOOLEAN, TRUE, nullptr);
    return true;
  });
}

void read_caption_regions(GstBuffer* buffer, double threshold, std::vector<CaptionRegion>& captions) {
  std::size_t used = 0;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& region, gint) {
    const Found found = find(region);
    if (!found.label || found.drawn || found.probability < threshold) return true;
    if (used == captions.size()) captions.emplace_back();
    CaptionRegion& caption = captions[used++];
    caption.x = coordinate(region.x);
    caption.y = coordinate(region.y);
    caption.width = coordinate(region.w);
    caption.height = coordinate(region.h);
    caption.line.label = found.label;
    caption.line.probability = found.probability;
    return true;
  });
  captions.resize(used);
}

}  // namespace resnet
