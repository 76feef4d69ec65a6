#include "plugin/classify_result.h"

#include <algorithm>
#include <numeric>

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

}  // namespace resnet
