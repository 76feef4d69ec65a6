#include "plugin/result_json.h"

#include <cstdio>

#include <nlohmann/json.hpp>

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

}  // namespace

std::string result_json(const std::optional<Classification>& result, const std::string& stream,
                        std::uint64_t frame, GstClockTime pts, GstClockTime duration) {
  Json line;
  line["version"] = 1;
  line["stream"] = result && !result->stream.empty() ? result->stream : stream;
  line["frame"] = frame;
  line["pts"] = time_number(pts);
  line["time"] = time_text(pts);
  line["duration"] = time_number(duration);
  line["classes"] = nullptr;
  line["age"] = nullptr;
  line["model"] = nullptr;
  line["digest"] = nullptr;
  if (result) {
    Json classes = Json::array();
    for (const ClassScore& score : result->scores) {
      classes.push_back({{"id", score.id}, {"label", score.label}, {"probability", score.probability}});
    }
    line["classes"] = std::move(classes);
    line["age"] = result->age;
    line["model"] = result->model;
    line["digest"] = result->digest;
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace resnet
