#ifndef RESNET_MODEL_BEST_CLASSES_H
#define RESNET_MODEL_BEST_CLASSES_H

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace resnet {

/// Indices of the most probable classes for which wanted(index) is true, at most `count`, the most probable
/// first and the lower index first among equals. Allocates nothing that grows with the number of classes.
template <typename Wanted>
std::vector<std::size_t> best_classes(std::span<const float> probabilities, std::size_t count,
                                      Wanted wanted) {
  std::vector<std::size_t> best;
  const auto better = [&](std::size_t a, std::size_t b) { return probabilities[a] > probabilities[b]; };
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (!wanted(i) || (best.size() >= count && (best.empty() || !better(i, best.back())))) continue;
    if (best.size() >= count) best.pop_back();
    best.insert(std::upper_bound(best.begin(), best.end(), i, better), i);
  }
  return best;
}

inline std::vector<std::size_t> best_classes(std::span<const float> probabilities, std::size_t count) {
  return best_classes(probabilities, count, [](std::size_t) { return true; });
}

}  // namespace resnet

#endif
