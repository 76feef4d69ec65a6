#include "plugin/result_json.h"

#include <cstdio>

#include <nlohmann/json.hpp>

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
  return {{"id", score.id}, {"label", score.label}, {"probability", score.probability}};
}

Json region_json(const RegionResult& region) {
  return {{"type", region.type},     {"x", region.x},
          {"y", region.y},           {"width", region.width},
          {"height", region.height}, {"class", region.best ? class_json(*region.best) : Json(nullptr)}};
}

}  // namespace

std::string result_json(const std::optional<Classification>& result, const std::vector<RegionResult>& regions,
                        const JsonFrame& frame) {
  Json line;
  line["version"] = 1;
  line["stream"] = result && !result->stream.empty() ? result->stream : frame.stream;
  line["frame"] = frame.number;
  line["pts"] = time_number(frame.pts);
  line["time"] = time_text(frame.pts);
  line["duration"] = time_number(frame.duration);
  line["wall-clock"] = utc_text(frame.wall_clock);
  line["captured"] = GST_CLOCK_TIME_IS_VALID(frame.captured) ? Json(utc_text(frame.captured)) : Json(nullptr);
  line["classes"] = nullptr;
  line["age"] = nullptr;
  line["model"] = nullptr;
  line["digest"] = nullptr;
  if (result) {
    Json classes = Json::array();
    for (const ClassScore& score : result->scores) classes.push_back(class_json(score));
    line["classes"] = std::move(classes);
    line["age"] = result->age;
    line["model"] = result->model;
    line["digest"] = result->digest;
  }
  if (!regions.empty()) {
    Json list = Json::array();
    for (const RegionResult& region : regions) list.push_back(region_json(region));
    line["regions"] = std::move(list);
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace resnet
