#include "training/class_balance.h"

#include <numeric>

namespace resnet {

std::vector<float> balanced_weights(const std::vector<Sample>& samples, std::size_t classes) {
  std::vector<float> weights(classes);
  for (const Sample& sample : samples) ++weights.at(static_cast<std::size_t>(sample.label));
  for (float& weight : weights) {
    if (weight > 0) weight = static_cast<float>(samples.size()) / (static_cast<float>(classes) * weight);
  }
  return weights;
}

std::vector<std::size_t> shuffled_order(const std::vector<Sample>& samples, Random& random) {
  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.shuffle(order);
  return order;
}

std::vector<std::size_t> balanced_order(const std::vector<Sample>& samples, std::size_t classes,
                                        Random& random) {
  std::vector<std::vector<std::size_t>> members(classes);
  for (std::size_t i = 0; i < samples.size(); ++i)
    members.at(static_cast<std::size_t>(samples[i].label)).push_back(i);
  std::vector<std::size_t> order;
  for (std::size_t index = 0; index < classes; ++index) {
    std::vector<std::size_t>& own = members[index];
    if (own.empty()) continue;
    const std::size_t turns = samples.size() * (index + 1) / classes - samples.size() * index / classes;
    for (std::size_t turn = 0; turn < turns; ++turn) {
      if (turn % own.size() == 0) random.shuffle(own);
      order.push_back(own[turn % own.size()] + turn / own.size() * samples.size());
    }
  }
  random.shuffle(order);
  return order;
}

}  // namespace resnet
