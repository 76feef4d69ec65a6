#ifndef RESNET_TRAINING_CONFIDENCE_H
#define RESNET_TRAINING_CONFIDENCE_H

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include <nlohmann/json.hpp>

#include "training/predictions.h"

/// Whether a network's probabilities mean what they say, and what makes them. All of this is for networks of
/// one class a picture (Activation::softmax): of a multi-label one's other classes, pictures that are
/// labelled with one class do not say whether they are there, so nothing is measured or fitted.
namespace resnet {

/// Of the pictures whose most probable class has about the same probability; 0 for no pictures.
struct ReliabilityBin {
  std::size_t count = 0;
  double confidence = 0;  ///< mean probability of the most probable class
  double accuracy = 0;    ///< the part of them for which that class is right
};

/// Collects probabilities of pictures whose class is known, and compares the two.
class Reliability {
 public:
  /// Equal in width, each without its lower end: (0, 1/15], … (14/15, 1].
  static constexpr std::size_t bin_count = 15;

  /// @param probabilities by class, in 0…1; `label` is the true one's index
  void add(std::span<const float> probabilities, std::size_t label);

  std::size_t count() const { return count_; }
  std::array<ReliabilityBin, bin_count> bins() const;
  /// Mean difference of confidence and accuracy of the bins, each weighted by its pictures: 0…1 (Guo et al.,
  /// arXiv:1706.04599, equation 3).
  double expected_calibration_error() const;
  /// Mean of −ln of the true class's probability, which counts as at least 1.2e-38, so that the result is
  /// finite.
  double negative_log_likelihood() const;

 private:
  struct Sums {
    std::size_t count = 0, right = 0;
    double confidence = 0;
  };
  std::array<Sums, bin_count> bins_{};
  std::size_t count_ = 0;
  double log_likelihood_ = 0;
};

/// {"ece", "nll", "bins": [{"from", "to", "count", "confidence", "accuracy"}]}, bins from the least
/// confident.
nlohmann::json to_json(const Reliability& reliability);

/// The temperature of least negative log likelihood, between min_temperature and max_temperature, to three
/// decimals (Guo et al., section 4.2); 1 for no pictures. To n pictures it adds one whose class is any with
/// the same probability, spread over all (as Platt's targets do: "Probabilistic Outputs for Support Vector
/// Machines", 1999): few pictures, or such that are all classified right, then do not ask for a certainty
/// that they cannot show. Among some hundred it no longer counts.
/// @throws Error device for logits that are not finite
double fit_temperature(std::span<const Prediction> predictions);

/// A probability below which to answer "none of these", and what that does to the pictures it is chosen by.
struct AbstainThreshold {
  double probability = 0;
  double coverage = 0;     ///< part of the pictures that are named
  double accuracy = 0;     ///< part of the named ones that are named right
  double right_named = 0;  ///< part of the right answers that are named
};

/// Suggests a threshold by pictures that are all of one of the classes: half-way from chance (one of the
/// number of classes) to certainty, or the probability below which a twentieth of the right answers are,
/// whichever is lower; rounded down to three decimals. Where probabilities mean what they say, the first
/// names a class when it is more likely right than not, as counted from chance (Chow, "On optimum recognition
/// error and reject tradeoff", 1970, with equal costs; of two classes the better one is always above 1/2).
/// The second keeps 95 % of the right answers, the usual mark for telling foreign pictures apart (Hendrycks
/// and Gimpel, arXiv:1610.02136); of fewer than 20 right answers it keeps all.
/// @return nothing when no picture is classified right
/// @throws Error device for logits that are not finite
std::optional<AbstainThreshold> suggest_threshold(std::span<const Prediction> predictions,
                                                  double temperature);

/// What the predictions' probabilities are worth at a temperature.
/// @throws Error device for logits that are not finite
Reliability measure_reliability(std::span<const Prediction> predictions, double temperature);

/// The temperature for held-out predictions, and what follows from it.
struct ConfidenceFit {
  double temperature = 1;
  std::optional<AbstainThreshold> threshold;
  Reliability reliability;  ///< with that temperature
};
/// @throws Error device for logits that are not finite
ConfidenceFit fit_confidence(std::span<const Prediction> predictions);

}  // namespace resnet

#endif
