#ifndef RESNET_MODEL_ACTIVATION_H
#define RESNET_MODEL_ACTIVATION_H

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace resnet {

/// What makes probabilities of a network's logits.
enum class Activation : std::uint8_t {
  softmax,  ///< one class of all: the probabilities sum to 1
  sigmoid   ///< multi-label: each class by itself
};

/// The name in model files and on the command line.
constexpr const char* activation_name(Activation activation) {
  return activation == Activation::softmax ? "softmax" : "sigmoid";
}

/// Logits to probabilities, of at least one class; the spans are equally long.
/// @param temperature > 0; softmax is of logits / temperature (Guo et al., "On Calibration of Modern Neural
/// Networks", arXiv:1706.04599), sigmoid takes no notice of it
/// @return false when the logits are not finite; the probabilities are then of no use
inline bool activate(Activation activation, double temperature, std::span<const float> logits,
                     std::span<float> probabilities) {
  if (!std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); })) {
    return false;
  }
  if (activation == Activation::sigmoid) {
    std::transform(logits.begin(), logits.end(), probabilities.begin(),
                   [](float logit) { return 1 / (1 + std::exp(-logit)); });
    return true;
  }
  // Subtracting the maximum keeps exp within range.
  const float highest = *std::max_element(logits.begin(), logits.end());
  const auto scale = static_cast<float>(1 / temperature);
  float sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    sum += probabilities[i] = std::exp((logits[i] - highest) * scale);
  for (float& probability : probabilities) probability /= sum;
  return true;
}

}  // namespace resnet

#endif
