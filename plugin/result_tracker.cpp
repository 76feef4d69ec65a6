#include "plugin/result_tracker.h"

#include <algorithm>
#include <cmath>

namespace resnet {

namespace {

constexpr double scene_change = 0.8;

// Half the sum of the differences: 0 for equal distributions, 1 for those that have nothing in common.
double total_variation(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / 2;
}

std::size_t most_probable(const std::vector<float>& probabilities) {
  return static_cast<std::size_t>(
      std::distance(probabilities.begin(), std::max_element(probabilities.begin(), probabilities.end())));
}

}  // namespace

void ResultTracker::add(const std::vector<float>& probabilities, GstClockTime pts,
                        const Smoothing& smoothing) {
  pts_ = pts;
  bool fresh = probabilities_.size() != probabilities.size();
  if (!fresh) {
    const bool at_odds = total_variation(probabilities, probabilities_) > scene_change;
    fresh = smoothing.weight == 0 || (at_odds && at_odds_);
    at_odds_ = at_odds && !fresh;
  }
  const bool had_leader = !probabilities_.empty() && leader_ < probabilities.size();
  if (fresh) {
    probabilities_ = probabilities;
  } else {
    const auto weight = static_cast<float>(smoothing.weight);
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      probabilities_[i] = weight * probabilities_[i] + (1 - weight) * probabilities[i];
    }
  }
  const std::size_t best = most_probable(probabilities_);
  if (!had_leader || probabilities_[best] > probabilities_[leader_] + smoothing.hysteresis) leader_ = best;
}

void ResultTracker::reset() {
  probabilities_.clear();
  leader_ = 0;
  pts_ = GST_CLOCK_TIME_NONE;
  at_odds_ = false;
}

GstClockTime ResultTracker::age_at(GstClockTime pts) const {
  return GST_CLOCK_TIME_IS_VALID(pts_) && GST_CLOCK_TIME_IS_VALID(pts) && pts > pts_ ? pts - pts_ : 0;
}

}  // namespace resnet
