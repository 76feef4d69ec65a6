#include "plugin/classify_result.h"

#include <algorithm>

#include "model/best_classes.h"

namespace resnet {

namespace {

using Frame = ClassifySettings::Frame;

constexpr double multi_label_threshold = 0.5;

bool is_multi_label(const OpenModel& model) { return model.stream->activation() == Activation::sigmoid; }

double least_probability(const OpenModel& model, const Frame& settings) {
  if (settings.threshold >= 0) return settings.threshold;
  const double suggested = model.engine->suggested_threshold();
  return suggested == 0 && is_multi_label(model) ? multi_label_threshold : suggested;
}

std::size_t most_classes(const OpenModel& model, const Frame& settings) {
  if (settings.top_k > 0) return settings.top_k;
  return is_multi_label(model) ? model.stream->classes().size() : 1;
}

std::vector<ClassScore> make_scores(const OpenModel& model, const std::vector<std::size_t>& ids,
                                    const std::vector<float>& probabilities) {
  std::vector<ClassScore> scores;
  for (const std::size_t id : ids) {
    scores.push_back({static_cast<int>(id), model.stream->classes()[id], probabilities[id]});
  }
  return scores;
}

}  // namespace

ResultTracker::Smoothing smoothing_of(const OpenModel& model, const Frame& settings) {
  return {settings.smoothing, settings.hysteresis, least_probability(model, settings)};
}

std::vector<ClassScore> class_scores(const OpenModel& model, const ResultTracker& tracker,
                                     const Frame& settings) {
  const std::size_t count = most_classes(model, settings);
  const auto is_there = [&](std::size_t id) { return tracker.is_there(id); };
  std::vector<std::size_t> ids = best_classes(tracker.probabilities(), count, is_there);
  const auto leader = std::find(ids.begin(), ids.end(), tracker.leader());
  if (leader != ids.end()) {
    std::rotate(ids.begin(), leader, leader + 1);
  } else if (!ids.empty() && is_there(tracker.leader())) {
    ids.back() = tracker.leader();
    std::rotate(ids.begin(), ids.end() - 1, ids.end());
  }
  return make_scores(model, ids, tracker.probabilities());
}

}  // namespace resnet
