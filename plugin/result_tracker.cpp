#include "plugin/result_tracker.h"

#include <algorithm>
#include <cmath>

namespace resnet {

namespace {

constexpr double scene_change = 0.8;

// Half the sum of the differences: 0 for equal distributions, 1 for those that have nothing in common. Where
// several classes may be certain at once (multi-label), as a part of what there is.
double total_variation(const std::vector<float>& a, const std::vector<float>& b) {
  double differences = 0, sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differences += std::abs(a[i] - b[i]);
    sum += a[i] + b[i];
  }
  return differences / std::max(sum, 2.0);
}

std::size_t most_probable(const std::vector<float>& probabilities) {
  return static_cast<std::size_t>(
      std::distance(probabilities.begin(), std::max_element(probabilities.begin(), probabilities.end())));
}

}  // namespace

void ResultTracker::add(const std::vector<float>& probabilities, GstClockTime pts,
                        const Smoothing& smoothing) {
  pts_ = pts;
  has_result_ = true;
  if (probabilities.empty()) return;
  bool forget = probabilities_.size() != probabilities.size();
  if (!forget) {
    const bool at_odds = total_variation(probabilities, probabilities_) > scene_change;
    forget = at_odds && at_odds_;
    at_odds_ = at_odds && !forget;
  }
  if (forget) {
    probabilities_ = probabilities;
    there_.assign(probabilities.size(), false);
  } else {
    const auto weight = static_cast<float>(smoothing.weight);
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      probabilities_[i] = weight * probabilities_[i] + (1 - weight) * probabilities[i];
    }
  }
  for (std::size_t i = 0; i < there_.size(); ++i) {
    there_[i] = probabilities_[i] >= smoothing.threshold - (there_[i] ? smoothing.hysteresis : 0);
  }
  const std::size_t best = most_probable(probabilities_);
  if (forget || probabilities_[best] > probabilities_[leader_] + smoothing.hysteresis) leader_ = best;
}

void ResultTracker::reset() {
  probabilities_.clear();
  there_.clear();
  leader_ = 0;
  has_result_ = false;
  pts_ = GST_CLOCK_TIME_NONE;
  at_odds_ = false;
}

GstClockTime ResultTracker::age_at(GstClockTime pts) const {
  if (!GST_CLOCK_TIME_IS_VALID(pts_) || !GST_CLOCK_TIME_IS_VALID(pts)) return 0;
  return std::max(pts, pts_) - std::min(pts, pts_);  // played backwards, the result is of a later frame
}

}  // namespace resnet
