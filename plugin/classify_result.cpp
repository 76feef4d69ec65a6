#include "plugin/classify_result.h"

#include <algorithm>
#include <numeric>

namespace resnet {

Classification make_classification(const Engine& engine, const EngineRequest& request,
                                   const ClassifySettings::Annotation& annotation, const char* stream) {
  const std::vector<float>& probabilities = request.probabilities;
  const double threshold = annotation.threshold >= 0 ? annotation.threshold : engine.suggested_threshold();
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t count = std::min<std::size_t>(annotation.top_k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b]
                                                                  : a < b;
                    });
  order.resize(count);
  Classification result{.model = engine.model_name(), .digest = engine.digest(), .stream = stream};
  for (const std::size_t id : order) {
    if (probabilities[id] < threshold) break;
    result.scores.push_back({static_cast<int>(id), engine.classes()[id], probabilities[id]});
  }
  return result;
}

}  // namespace resnet
