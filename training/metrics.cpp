#include "training/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "training/console.h"
#include "training/format.h"

namespace resnet {
namespace {

double ratio(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// Classes of a confusion matrix that can be read as text.
constexpr std::size_t widest_matrix = 40;

std::string fixed(double value) { return format("%.4f", value); }

}  // namespace

std::size_t ConfusionMatrix::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
}

std::size_t ConfusionMatrix::correct() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < classes_; ++i) {
    sum += count(i, i);
  }
  return sum;
}

double ConfusionMatrix::accuracy() const { return ratio(correct(), total()); }

ClassScores ConfusionMatrix::scores(std::size_t index) const {
  std::size_t truths = 0;
  std::size_t predictions = 0;
  for (std::size_t i = 0; i < classes_; ++i) {
    truths += count(index, i);
    predictions += count(i, index);
  }
  const std::size_t hits = count(index, index);
  return {ratio(hits, predictions), ratio(hits, truths), ratio(2 * hits, truths + predictions), truths,
          predictions};
}

double macro_f1(const ConfusionMatrix& matrix) {
  double sum = 0;
  std::size_t present = 0;
  for (std::size_t i = 0; i < matrix.classes(); ++i) {
    const ClassScores scores = matrix.scores(i);
    sum += scores.f1;
    if (scores.support + scores.predicted > 0) ++present;
  }
  return present == 0 ? 0 : sum / static_cast<double>(present);
}

Interval wilson_interval(std::size_t part, std::size_t whole) {
  if (whole == 0) return {0, 1};
  constexpr double kZ = 1.959963984540054;  // the normal distribution's 97.5th percentile
  const auto n = static_cast<double>(whole);
  const double share = static_cast<double>(part) / n;
  const double middle = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {std::max(0.0, (middle - half) / scale), std::min(1.0, (middle + half) / scale)};
}

nlohmann::json evaluation_json(const ConfusionMatrix& matrix, const std::vector<std::string>& classes) {
  nlohmann::json per_class = nlohmann::json::array();
  nlohmann::json rows = nlohmann::json::array();
  for (std::size_t i = 0; i < matrix.classes(); ++i) {
    const ClassScores scores = matrix.scores(i);
    per_class.push_back({{"class", classes.at(i)},
                         {"precision", scores.precision},
                         {"recall", scores.recall},
                         {"f1", scores.f1},
                         {"support", scores.support}});
    nlohmann::json row = nlohmann::json::array();
    for (std::size_t j = 0; j < matrix.classes(); ++j) {
      row.push_back(matrix.count(i, j));
    }
    rows.push_back(std::move(row));
  }
  return {
      {"accuracy", matrix.accuracy()},      {"pictures", matrix.total()}, {"correct", matrix.correct()},
      {"macro_f1", macro_f1(matrix)},       {"classes", classes},         {"per_class", std::move(per_class)},
      {"confusion_matrix", std::move(rows)}};
}

std::string evaluation_text(const ConfusionMatrix& matrix, const std::vector<std::string>& classes) {
  std::vector<std::string> names;
  std::size_t width = 5;
  for (const std::string& name : classes) {
    names.push_back(printable(name));
    width = std::max(width, text_width(names.back()));
  }
  std::string text = "accuracy: " + fixed(matrix.accuracy()) + " (" + std::to_string(matrix.correct()) +
                     " of " + std::to_string(matrix.total()) + ")\n\n" + padded("class", width) +
                     "  precision  recall      f1  pictures\n";
  for (std::size_t i = 0; i < names.size(); ++i) {
    const ClassScores scores = matrix.scores(i);
    if (scores.support + scores.predicted == 0) continue;  // of a thousand classes a folder may have ten
    text += padded(names[i], width) + padded(fixed(scores.precision), 11, true) +
            padded(fixed(scores.recall), 8, true) + padded(fixed(scores.f1), 8, true) +
            padded(std::to_string(scores.support), 10, true) + "\n";
  }
  if (names.size() > widest_matrix) {
    return text + "\n" + std::to_string(names.size()) +
           " classes are too many for a confusion matrix here; --json prints it\n";
  }
  text += "\nconfusion matrix (rows: true class, columns: predicted class)\n" + padded("", width);
  const std::size_t cell = std::max<std::size_t>(6, width + 2);
  for (const std::string& name : names) {
    text += padded(name, cell, true);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += '\n';
    text += padded(names[i], width);
    for (std::size_t j = 0; j < names.size(); ++j) {
      text += padded(std::to_string(matrix.count(i, j)), cell, true);
    }
  }
  text += '\n';
  return text;
}

}  // namespace resnet
