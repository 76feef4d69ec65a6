#include "plugin/classify_result.h"

#include <algorithm>
#include <numeric>

#include <gst/video/gstvideometa.h>

namespace resnet {

std::vector<ClassScore> best_classes(const OpenModel& model, const std::vector<float>& probabilities,
                                     const ClassifySettings::Frame& settings,
                                     std::optional<std::size_t> leader) {
  const double threshold = settings.threshold >= 0 ? settings.threshold : model.engine->suggested_threshold();
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t count = std::min<std::size_t>(settings.top_k, order.size());
  const auto better = [&](std::size_t a, std::size_t b) {
    if ((a == leader) != (b == leader)) return a == leader;
    return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b] : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), better);
  order.resize(count);
  std::vector<ClassScore> scores;
  for (const std::size_t id : order) {
    if (probabilities[id] < threshold) continue;
    scores.push_back({static_cast<int>(id), model.stream->classes()[id], probabilities[id]});
  }
  return scores;
}

void add_region_result(GstBuffer* buffer, gint region, const OpenModel& model, const ClassScore& score) {
  gpointer state = nullptr;
  for (gint i = 0;; ++i) {
    GstMeta* meta =
        gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    if (meta == nullptr) return;
    if (i != region) continue;
    GstStructure* structure = gst_structure_new(
        "classification", "label", G_TYPE_STRING, valid_utf8(score.label).c_str(), "label_id", G_TYPE_INT,
        score.id, "confidence", G_TYPE_DOUBLE, score.probability, "model_name", G_TYPE_STRING,
        valid_utf8(model.engine->model_name()).c_str(), nullptr);
    gst_video_region_of_interest_meta_add_param(reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta),
                                                structure);
    return;
  }
}

}  // namespace resnet
