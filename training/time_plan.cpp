#include "training/time_plan.h"

#include <algorithm>

namespace resnet {
namespace {

double seconds_after(Recipe recipe, const Costs& costs, int done, int epochs) {
  recipe.epochs = epochs;
  double seconds = 0;
  for (int epoch = done; epoch < epochs; ++epoch) seconds += epoch_seconds(recipe, costs, epoch);
  return seconds;
}

double picture_seconds(const Costs& costs, int size) {
  const auto area = [](int side) { return static_cast<double>(side) * side; };
  const double between = area(costs.large.size) - area(costs.small.size);
  const double part = between > 0 ? (area(size) - area(costs.small.size)) / between : 1.0;
  return costs.small.picture_seconds + part * (costs.large.picture_seconds - costs.small.picture_seconds);
}

}  // namespace

double epoch_seconds(const Recipe& recipe, const Costs& costs, int epoch) {
  return static_cast<double>(costs.pictures) * picture_seconds(costs, training_size(recipe, epoch)) +
         costs.val_seconds;
}

Costs corrected(Costs costs, int size, double seconds) {
  const double foreseen = static_cast<double>(costs.pictures) * picture_seconds(costs, size);
  const double factor = foreseen > 0 ? 0.5 + 0.5 * seconds / foreseen : 1.0;
  costs.small.picture_seconds *= factor;
  costs.large.picture_seconds *= factor;
  costs.val_seconds *= factor;
  return costs;
}

int epochs_that_fit(const Recipe& recipe, const Costs& costs, int done, double seconds) {
  constexpr int most = 100000;
  int fits = std::max(done, 1), too_many = most;
  while (too_many - fits > 1) {
    const int epochs = fits + (too_many - fits) / 2;
    (seconds_after(recipe, costs, done, epochs) <= seconds ? fits : too_many) = epochs;
  }
  return fits;
}

}  // namespace resnet
