#include "plugin/region_results.h"

#include <algorithm>
#include <utility>

#include <gst/video/gstvideometa.h>

#include "plugin/analytics_meta.h"

namespace resnet {

namespace {

constexpr const char* class_parameter = "classification";
constexpr const char* features_parameter = "features";

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

// Calls use(structure) for each parameter of that name.
template <typename Use>
void for_each_parameter(const GstVideoRegionOfInterestMeta& region, const char* name, Use use) {
  for (const GList* item = region.params; item != nullptr; item = item->next) {
    auto* structure = static_cast<GstStructure*>(item->data);
    if (gst_structure_has_name(structure, name)) use(structure);
  }
}

// Takes the stream's parameter of that name off the n-th region, and puts the new one on, unless that is
// null.
void replace_parameter(GstBuffer* buffer, gint number, const char* name, const std::string& stream,
                       GstStructure* parameter) {
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& region, gint i) {
    if (i != number) return true;
    GstStructure* old = nullptr;
    for_each_parameter(region, name, [&](GstStructure* s) {
      const gchar* owner = gst_structure_get_string(s, "stream");
      if (owner != nullptr && stream == owner) old = s;
    });
    if (old != nullptr) {
      region.params = g_list_remove(region.params, old);
      gst_structure_free(old);
    }
    if (parameter) gst_video_region_of_interest_meta_add_param(&region, std::exchange(parameter, nullptr));
    return false;
  });
  if (parameter) gst_structure_free(parameter);
}

/// A parameter `classification`, as long as the region lives.
struct Found {
  const gchar* label = nullptr;  // null: not such a parameter
  int id = 0;
  double probability = 0;
  gboolean drawn = FALSE;
};

Found find(const GstStructure* s) {
  Found found;
  if (!gst_structure_get_int(s, "label_id", &found.id) ||
      !gst_structure_get_double(s, "confidence", &found.probability)) {
    return {};
  }
  gst_structure_get_boolean(s, "drawn", &found.drawn);
  found.label = gst_structure_get_string(s, "label");
  return found;
}

// The number that DL Streamer's gvatrack gives an object.
std::optional<guint64> tracking_of(GstVideoRegionOfInterestMeta& region) {
  const GstStructure* s = gst_video_region_of_interest_meta_get_param(&region, "object_id");
  gint id = 0;
  if (s == nullptr || !gst_structure_get_int(s, "id", &id)) return std::nullopt;
  return static_cast<guint64>(id);
}

// Frames are smaller; sums of such numbers are numbers.
int coordinate(guint value) { return static_cast<int>(std::min(value, 1U << 24)); }

// Takes the object at the region's place from the list. DL Streamer gives both the same id, others do not: it
// decides between several.
std::optional<DetectedObject> take_object(std::vector<DetectedObject>& objects,
                                          const GstVideoRegionOfInterestMeta& region) {
  const Rectangle box{region.x, region.y, region.w, region.h};
  auto found = objects.end();
  for (auto object = objects.begin(); object != objects.end(); ++object) {
    if (object->box != box) continue;
    const bool same_id = region.id >= 0 && object->id == static_cast<guint>(region.id);
    if (found == objects.end() || same_id) found = object;
  }
  if (found == objects.end()) return std::nullopt;
  const DetectedObject object = *found;
  objects.erase(found);
  return object;
}

/// What both parameters have.
RegionClassification read(const GstStructure* s) {
  const gchar* stream = gst_structure_get_string(s, "stream");
  const gchar* model = gst_structure_get_string(s, "model_name");
  guint64 age = 0;
  gst_structure_get_uint64(s, "age", &age);
  return {stream ? stream : "", model ? model : "", age};
}

RegionClassification read(const GstStructure* s, const Found& found) {
  RegionClassification result = read(s);
  result.scores = read_scores(s);
  result.drawn = found.drawn != FALSE;
  if (result.scores.empty()) result.scores.push_back({found.id, found.label, found.probability});
  return result;
}

/// Adds the features to the result of the same stream, or a result of their own.
void take_features(const GstStructure* s, std::vector<RegionClassification>& results) {
  GstBuffer* values = nullptr;
  if (!gst_structure_get(s, "values", GST_TYPE_BUFFER, &values, nullptr) || values == nullptr) return;
  const std::shared_ptr<GstBuffer> features(values, gst_buffer_unref);
  RegionClassification own = read(s);
  const auto found = std::ranges::find(results, own.stream, &RegionClassification::stream);
  if (found != results.end()) {
    found->features = features;
  } else {
    own.features = features;
    results.push_back(std::move(own));
  }
}

}  // namespace

std::vector<FrameRegion> find_regions(GstBuffer* buffer) {
  std::vector<DetectedObject> objects = detected_objects(buffer);
  std::vector<FrameRegion> regions;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& meta, gint) {
    FrameRegion region{meta.roi_type, {meta.x, meta.y, meta.w, meta.h}};
    if (const std::optional<DetectedObject> object = take_object(objects, meta)) {
      region.object = object->id;
      region.tracking = object->tracking;
    }
    if (const std::optional<guint64> tracking = tracking_of(meta)) region.tracking = tracking;
    regions.push_back(region);
    return true;
  });
  for (const DetectedObject& object : objects) {
    regions.push_back({object.type, object.box, object.id, object.tracking});
  }
  return regions;
}

std::vector<FrameRegion> add_region_metas(GstBuffer* buffer) {
  std::vector<FrameRegion> regions = find_regions(buffer);
  std::size_t metas = 0;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta&, gint) { return ++metas, true; });
  for (std::size_t i = metas; i < regions.size(); ++i) {
    const auto& [type, box, object, tracking] = regions[i];
    GstVideoRegionOfInterestMeta* meta =
        gst_buffer_add_video_region_of_interest_meta_id(buffer, type, box.x, box.y, box.width, box.height);
    meta->id = static_cast<gint>(object.value_or(0));
  }
  return regions;
}

void add_region_result(GstBuffer* buffer, gint region, const RegionClassification& result) {
  GstStructure* s = nullptr;
  if (!result.scores.empty()) {
    const ClassScore& best = result.scores.front();
    s = gst_structure_new(class_parameter, "label", G_TYPE_STRING, valid_utf8(best.label).c_str(), "label_id",
                          G_TYPE_INT, best.id, "confidence", G_TYPE_DOUBLE, best.probability, "model_name",
                          G_TYPE_STRING, valid_utf8(result.model).c_str(), "stream", G_TYPE_STRING,
                          valid_utf8(result.stream).c_str(), "age", G_TYPE_UINT64,
                          static_cast<guint64>(result.age), nullptr);
    if (result.scores.size() > 1) set_scores(s, result.scores);
  }
  replace_parameter(buffer, region, class_parameter, result.stream, s);
}

void add_region_features(GstBuffer* buffer, gint region, const RegionClassification& result) {
  replace_parameter(buffer, region, features_parameter, result.stream,
                    gst_structure_new(features_parameter, "values", GST_TYPE_BUFFER, result.features.get(),
                                      "model_name", G_TYPE_STRING, valid_utf8(result.model).c_str(), "stream",
                                      G_TYPE_STRING, valid_utf8(result.stream).c_str(), "age", G_TYPE_UINT64,
                                      static_cast<guint64>(result.age), nullptr));
}

std::vector<RegionResult> read_region_results(GstBuffer* buffer) {
  std::vector<RegionResult> regions;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& meta, gint) {
    const gchar* type = g_quark_to_string(meta.roi_type);
    RegionResult region{type ? type : "", {meta.x, meta.y, meta.w, meta.h}, tracking_of(meta)};
    for_each_parameter(meta, class_parameter, [&](const GstStructure* s) {
      if (const Found found = find(s); found.label) region.results.push_back(read(s, found));
    });
    for_each_parameter(meta, features_parameter,
                       [&](const GstStructure* s) { take_features(s, region.results); });
    regions.push_back(std::move(region));
    return true;
  });
  return regions;
}

void mark_regions_drawn(GstBuffer* buffer) {
  for_each_region(buffer, [](GstVideoRegionOfInterestMeta& region, gint) {
    for_each_parameter(region, class_parameter,
                       [](GstStructure* s) { gst_structure_set(s, "drawn", G_TYPE_BOOLEAN, TRUE, nullptr); });
    return true;
  });
}

void read_caption_regions(GstBuffer* buffer, double threshold, std::vector<CaptionRegion>& captions) {
  std::size_t used = 0;
  for_each_region(buffer, [&](GstVideoRegionOfInterestMeta& region, gint) {
    for_each_parameter(region, class_parameter, [&](const GstStructure* s) {
      const Found found = find(s);
      if (!found.label || found.drawn || found.probability < threshold) return;
      if (used == captions.size()) captions.emplace_back();
      CaptionRegion& caption = captions[used++];
      caption.x = coordinate(region.x);
      caption.y = coordinate(region.y);
      caption.width = coordinate(region.w);
      caption.height = coordinate(region.h);
      caption.line.label = found.label;
      caption.line.probability = found.probability;
      caption.line.id = found.id;
    });
    return true;
  });
  captions.resize(used);
}

}  // namespace resnet
