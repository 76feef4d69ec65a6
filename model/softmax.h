#ifndef RESNET_MODEL_SOFTMAX_H
#define RESNET_MODEL_SOFTMAX_H

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace resnet {

/// Logits to probabilities that sum to 1, of at least one class; the spans are equally long. Subtracting the
/// maximum keeps exp within range.
/// @return false when the logits are not finite; the probabilities are then of no use
inline bool softmax(std::span<const float> logits, std::span<float> probabilities) {
  const float highest = *std::max_element(logits.begin(), logits.end());
  float sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) sum += probabilities[i] = std::exp(logits[i] - highest);
  for (float& probability : probabilities) probability /= sum;
  return std::isfinite(sum) && std::isfinite(highest);
}

}  // namespace resnet

#endif
