#include "plugin/result_json.h"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "model/shortest_double.h"
#include "plugin/wall_clock.h"

namespace resnet {
namespace {

using Json = nlohmann::ordered_json;

Json time_number(GstClockTime time) { return GST_CLOCK_TIME_IS_VALID(time) ? Json(time) : Json(nullptr); }

Json time_text(GstClockTime time) {
  if (!GST_CLOCK_TIME_IS_VALID(time)) return nullptr;
  char text[64];
  std::snprintf(text, sizeof text, "%" GST_TIME_FORMAT, GST_TIME_ARGS(time));
  return text;
}

Json class_json(const ClassScore& score) {
  // The network computes in float: more digits would say nothing.
  return {{"id", score.id},
          {"label", score.label},
          {"probability", shortest_double(static_cast<float>(score.probability))}};
}

Json features_json(GstBuffer* features) {
  Json list = Json::array();
  for (const float value : read_features(features)) list.push_back(shortest_double(value));
  return list;
}

Json classes_json(const std::vector<ClassScore>& scores) {
  Json classes = Json::array();
  for (const ClassScore& score : scores) classes.push_back(class_json(score));
  return classes;
}

Json region_json(const RegionResult& region) {
  Json json = {{"type", region.type},
               {"x", region.box.x},
               {"y", region.box.y},
               {"width", region.box.width},
               {"height", region.box.height}};
  if (region.tracking) json["id"] = *region.tracking;
  const auto classified = std::ranges::find_if(
      region.results, [](const RegionClassification& result) { return !result.scores.empty(); });
  json["class"] = classified == region.results.end() ? Json(nullptr) : class_json(classified->scores.front());
  for (const RegionClassification& result : region.results) {
    Json found = {{"stream", result.stream},
                  {"classes", result.scores.empty() ? Json(nullptr) : classes_json(result.scores)},
                  {"age", result.age},
                  {"model", result.model}};
    if (result.features) found["features"] = features_json(result.features.get());
    json["results"].push_back(std::move(found));
  }
  return json;
}

void add_result(Json& to, const Classification& result) {
  to["classes"] = result.has_classes ? classes_json(result.scores) : Json(nullptr);
  to["age"] = result.age;
  to["model"] = result.model;
  to["digest"] = result.digest;
  if (result.features) to["features"] = features_json(result.features.get());
}

}  // namespace

std::string result_json(const std::vector<Classification>& results, const std::vector<RegionResult>& regions,
                        const JsonFrame& frame) {
  Json line;
  line["version"] = 1;
  const bool has_stream = !results.empty() && !results.front().stream.empty();
  line["stream"] = has_stream ? results.front().stream : frame.stream;
  line["frame"] = frame.number;
  line["pts"] = time_number(frame.pts);
  line["time"] = time_text(frame.pts);
  line["duration"] = time_number(frame.duration);
  line["wall-clock"] = utc_text(frame.wall_clock);
  line["captured"] = GST_CLOCK_TIME_IS_VALID(frame.captured) ? Json(utc_text(frame.captured)) : Json(nullptr);
  for (const char* field : {"classes", "age", "model", "digest"}) line[field] = nullptr;
  if (!results.empty()) add_result(line, results.front());
  for (std::size_t i = 1; i < results.size(); ++i) {
    Json other = {{"stream", results[i].stream}};
    add_result(other, results[i]);
    line["others"].push_back(std::move(other));
  }
  if (!regions.empty()) {
    Json list = Json::array();
    for (const RegionResult& region : regions) list.push_back(region_json(region));
    line["regions"] = std::move(list);
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace resnet
