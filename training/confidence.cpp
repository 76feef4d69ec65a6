#include "training/confidence.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "model/activation.h"
#include "model/best_classes.h"
#include "model/error.h"
#include "model/model_info.h"

namespace resnet {
namespace {

constexpr double lost_right_answers = 0.05;

double part(std::size_t count, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(count) / static_cast<double>(whole);
}

[[noreturn]] void fail_not_finite() { throw Error(ErrorCode::device, "the network's output is not finite"); }

std::vector<float> probabilities_of(const Prediction& prediction, double temperature) {
  std::vector<float> probabilities(prediction.logits.size());
  if (!activate(Activation::softmax, temperature, prediction.logits, probabilities)) fail_not_finite();
  return probabilities;
}

/// d/db of −Σ over classes of target·ln softmax(b·logits), b = 1/temperature: the mean of the logits by
/// softmax less that by the target, which is the true class but for `unknown`, in equal parts of any.
double slope(const Prediction& prediction, double inverse_temperature, double unknown) {
  const std::vector<float>& logits = prediction.logits;
  const double highest = *std::max_element(logits.begin(), logits.end());
  double weights = 0, weighted = 0, plain = 0;
  for (const float logit : logits) {
    const double lead = logit - highest;
    const double weight = std::exp(lead * inverse_temperature);
    weights += weight;
    weighted += weight * lead;
    plain += lead;
  }
  const double target = (1 - unknown) * (logits.at(prediction.label) - highest) +
                        unknown * plain / static_cast<double>(logits.size());
  return weighted / weights - target;
}

double round_down(double probability) { return std::floor(probability * 1000) / 1000; }

}  // namespace

void Reliability::add(std::span<const float> probabilities, std::size_t label) {
  const std::size_t first = best_classes(probabilities, 1).front();
  const double confidence = probabilities[first];
  const auto bin = static_cast<std::size_t>(std::max(1.0, std::ceil(confidence * bin_count))) - 1;
  Sums& sums = bins_.at(std::min(bin, bin_count - 1));
  ++sums.count;
  sums.right += first == label ? 1 : 0;
  sums.confidence += confidence;
  ++count_;
  log_likelihood_ +=
      std::log(static_cast<double>(std::max(probabilities[label], std::numeric_limits<float>::min())));
}

std::array<ReliabilityBin, Reliability::bin_count> Reliability::bins() const {
  std::array<ReliabilityBin, bin_count> bins;
  std::transform(bins_.begin(), bins_.end(), bins.begin(), [](const Sums& sums) {
    const double confidence = sums.count == 0 ? 0 : sums.confidence / static_cast<double>(sums.count);
    return ReliabilityBin{sums.count, confidence, part(sums.right, sums.count)};
  });
  return bins;
}

double Reliability::expected_calibration_error() const {
  double error = 0;
  for (const ReliabilityBin& bin : bins()) {
    error += part(bin.count, count_) * std::abs(bin.confidence - bin.accuracy);
  }
  return error;
}

double Reliability::negative_log_likelihood() const {
  return count_ == 0 ? 0 : -log_likelihood_ / static_cast<double>(count_);
}

nlohmann::json to_json(const Reliability& reliability) {
  nlohmann::json bins = nlohmann::json::array();
  for (const ReliabilityBin& bin : reliability.bins()) {
    bins.push_back({{"from", part(bins.size(), Reliability::bin_count)},
                    {"to", part(bins.size() + 1, Reliability::bin_count)},
                    {"count", bin.count},
                    {"confidence", bin.confidence},
                    {"accuracy", bin.accuracy}});
  }
  return {{"ece", reliability.expected_calibration_error()},
          {"nll", reliability.negative_log_likelihood()},
          {"bins", std::move(bins)}};
}

double fit_temperature(std::span<const Prediction> predictions) {
  for (const Prediction& prediction : predictions) {
    if (!std::all_of(prediction.logits.begin(), prediction.logits.end(),
                     [](float logit) { return std::isfinite(logit); })) {
      fail_not_finite();
    }
  }
  const double unknown = 1 / (static_cast<double>(predictions.size()) + 1);
  // The likelihood is convex in 1/temperature: its slope changes its sign once.
  double low = std::log(min_temperature), high = std::log(max_temperature);
  while (high - low > 1e-6) {
    const double middle = (low + high) / 2;
    double sum = 0;
    for (const Prediction& prediction : predictions) sum += slope(prediction, std::exp(-middle), unknown);
    if (sum >= 0) low = middle;
    if (sum <= 0) high = middle;  // both: no pictures, or logits that are all the same
  }
  return std::clamp(std::round(std::exp(low) * 1000) / 1000, min_temperature, max_temperature);
}

std::optional<AbstainThreshold> suggest_threshold(std::span<const Prediction> predictions,
                                                  double temperature) {
  std::vector<float> confidences, right;
  for (const Prediction& prediction : predictions) {
    const std::vector<float> probabilities = probabilities_of(prediction, temperature);
    const std::size_t first = best_classes(probabilities, 1).front();
    confidences.push_back(probabilities[first]);
    if (first == prediction.label) right.push_back(probabilities[first]);
  }
  if (right.empty()) return std::nullopt;
  std::sort(right.begin(), right.end());
  const auto lost = static_cast<std::size_t>(lost_right_answers * static_cast<double>(right.size()));
  const double halfway = (1 + 1 / static_cast<double>(predictions.front().logits.size())) / 2;
  AbstainThreshold threshold;
  threshold.probability = round_down(std::min(halfway, static_cast<double>(right[lost])));
  const auto count_named = [&](const std::vector<float>& all) {
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](float confidence) { return confidence >= threshold.probability; }));
  };
  const std::size_t named = count_named(confidences), named_right = count_named(right);
  threshold.coverage = part(named, confidences.size());
  threshold.accuracy = part(named_right, named);
  threshold.right_named = part(named_right, right.size());
  return threshold;
}

Reliability measure_reliability(std::span<const Prediction> predictions, double temperature) {
  Reliability reliability;
  for (const Prediction& prediction : predictions) {
    reliability.add(probabilities_of(prediction, temperature), prediction.label);
  }
  return reliability;
}

ConfidenceFit fit_confidence(std::span<const Prediction> predictions) {
  const double temperature = fit_temperature(predictions);
  return {temperature, suggest_threshold(predictions, temperature),
          measure_reliability(predictions, temperature)};
}

}  // namespace resnet
