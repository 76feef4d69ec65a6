#ifndef RESNET_TRAINING_METRICS_H
#define RESNET_TRAINING_METRICS_H

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace resnet {

/// Scores of one class, each in 0…1; 0 where the division would be by zero (as scikit-learn's
/// zero_division=0).
struct ClassScores {
  double precision = 0, recall = 0, f1 = 0;
  std::size_t support = 0;    ///< pictures that are of this class
  std::size_t predicted = 0;  ///< pictures that were taken for it
};

/// How often pictures of one class were taken for another.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::size_t classes) : classes_(classes), counts_(classes * classes) {}

  void add(std::size_t truth, std::size_t predicted) { ++counts_.at(truth * classes_ + predicted); }
  std::size_t count(std::size_t truth, std::size_t predicted) const {
    return counts_.at(truth * classes_ + predicted);
  }
  std::size_t classes() const { return classes_; }
  std::size_t total() const;
  std::size_t correct() const;
  double accuracy() const;  ///< 0 for no pictures
  ClassScores scores(std::size_t index) const;

 private:
  std::size_t classes_;
  std::vector<std::size_t> counts_;
};

/// The mean of the F1 of the classes that pictures are of or were taken for (as scikit-learn's f1_score).
double macro_f1(const ConfusionMatrix& matrix);

struct Interval {
  double low = 0, high = 0;
};

/// Where the true share lies with 95 % confidence when `part` of `whole` were seen: Wilson's score interval
/// (Wilson 1927, JASA 22, 209–212); 0…1 when nothing was.
Interval wilson_interval(std::size_t part, std::size_t whole);

/// {"accuracy", "pictures", "correct", "classes", "per_class": [{"class", "precision", "recall", "f1",
/// "support"}], "macro_f1", "confusion_matrix": rows by true class, columns by predicted class}.
nlohmann::json evaluation_json(const ConfusionMatrix& matrix, const std::vector<std::string>& classes);

/// The same as a table to read, without classes that no picture is of or was taken for.
std::string evaluation_text(const ConfusionMatrix& matrix, const std::vector<std::string>& classes);

}  // namespace resnet

#endif
