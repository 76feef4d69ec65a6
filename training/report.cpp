#include "training/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "model/error.h"
#include "model/file_io.h"
#include "training/chart.h"
#include "training/confidence.h"
#include "training/format.h"
#include "training/html.h"
#include "training/metrics.h"

namespace resnet {
namespace {

constexpr std::size_t kMostWrong = 24;
constexpr std::size_t kLeastSure = 12;
constexpr std::size_t kLargestMatrix = 40;   // classes; beyond, no screen shows it
constexpr std::size_t kMostConfusions = 30;  // listed in its place

/// What became of one prediction.
struct Answer {
  std::size_t index = 0;  ///< into the predictions
  std::size_t predicted = 0;
  double confidence = 0;  ///< probability of the predicted class
};

std::string fixed(double value, int decimals) { return format("%.*f", decimals, value); }

double share_of(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void check(const Report& report) {
  if (!(report.temperature > 0) || !std::isfinite(report.temperature)) {
    throw Error(ErrorCode::mismatch,
                "the report's temperature is " + fixed(report.temperature, 3) + "; expected more than 0");
  }
  const std::size_t classes = report.classes.size();
  for (const Prediction& prediction : report.predictions) {
    if (prediction.label >= classes || prediction.logits.size() != classes) {
      throw Error(ErrorCode::mismatch, "the prediction of " + prediction.path.string() + " has " +
                                           std::to_string(prediction.logits.size()) + " logits and label " +
                                           std::to_string(prediction.label) + "; expected those of " +
                                           std::to_string(classes) + " classes");
    }
  }
}

/// All of them, and whether they are as sure as they are right.
struct Answers {
  std::vector<Answer> each;
  Reliability reliability;
};

Answers find_answers(const Report& report, double temperature) {
  Answers answers;
  answers.each.reserve(report.predictions.size());
  std::vector<float> probabilities(report.classes.size());
  for (std::size_t i = 0; i < report.predictions.size(); ++i) {
    const std::vector<float>& logits = report.predictions[i].logits;
    if (!activate(report.activation, temperature, logits, probabilities)) {
      throw Error(ErrorCode::device,
                  "the network's output for " + report.predictions[i].path.string() + " is not finite");
    }
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    answers.each.push_back(
        {i, static_cast<std::size_t>(best), probabilities[static_cast<std::size_t>(best)]});
    answers.reliability.add(probabilities, report.predictions[i].label);
  }
  return answers;
}

bool is_right(const Report& report, const Answer& answer) {
  return report.predictions[answer.index].label == answer.predicted;
}

std::string headline(const std::string& name, const std::string& value, const std::string& detail) {
  return "<div><dt>" + escape_html(name) + "</dt><dd>" + escape_html(value) + "<small>" +
         escape_html(detail) + "</small></dd></div>\n";
}

std::string headlines(const Report& report, const ConfusionMatrix& matrix, const Reliability& reliability) {
  std::string html = "<dl class=\"figures\">\n";
  if (!report.predictions.empty()) {
    const Interval interval = wilson_interval(matrix.correct(), matrix.total());
    html += headline("Accuracy on " + report.split, percent(matrix.accuracy()),
                     fixed(interval.low * 100, 1) + "–" + percent(interval.high) + " (95 % interval)");
    html += headline("Right", std::to_string(matrix.correct()),
                     "of " + std::to_string(matrix.total()) + " pictures");
    html += headline("Macro F1", fixed(macro_f1(matrix), 3),
                     "mean of " + std::to_string(report.classes.size()) + " classes");
    std::string detail = "0: as sure as it is right";
    if (report.temperature != 1) {
      detail = "with temperature " + fixed(report.temperature, 2) + "; " +
               fixed(find_answers(report, 1).reliability.expected_calibration_error(), 3) + " without";
    }
    html += headline("Calibration error", fixed(reliability.expected_calibration_error(), 3), detail);
  }
  if (report.best_epoch > 0) {
    html += headline("Best epoch", std::to_string(report.best_epoch),
                     report.rows.empty() ? "" : "of " + std::to_string(report.rows.back().epoch));
  }
  return html + "</dl>\n";
}

std::string epoch_table(const std::vector<EpochRow>& rows) {
  std::string html =
      "<thead><tr><th scope=\"col\">epoch</th><th scope=\"col\">train loss</th><th scope=\"col\">train "
      "accuracy</th><th scope=\"col\">val loss</th><th scope=\"col\">val accuracy</th><th "
      "scope=\"col\">learning rate</th><th scope=\"col\">seconds</th></tr></thead>\n<tbody>\n";
  for (const EpochRow& row : rows) {
    html += format(
        "<tr><th scope=\"row\">%d</th><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%.3g"
        "</td><td>%.1f</td></tr>\n",
        row.epoch, row.train_loss, row.train_accuracy, row.val_loss, row.val_accuracy, row.lr, row.seconds);
  }
  return "<details><summary>The numbers</summary>\n" + html_table("Results by epoch", html + "</tbody>\n") +
         "</details>\n";
}

std::string curves(const Report& report) {
  if (report.rows.empty()) return {};
  const auto values = [&](double EpochRow::*member) {
    std::vector<double> result;
    for (const EpochRow& row : report.rows) result.push_back(row.*member);
    return result;
  };
  LineChart chart;
  chart.x_label = "epoch";
  for (const EpochRow& row : report.rows) {
    chart.x.push_back(row.epoch);
    if (row.epoch == report.best_epoch) {
      chart.marked = row.epoch;
      chart.mark = "best: " + std::to_string(row.epoch);
    }
  }
  chart.title = "Loss";
  chart.series = {{"train", values(&EpochRow::train_loss)}, {"val", values(&EpochRow::val_loss)}};
  std::string html = "<section>\n<h2>Training</h2>\n<div class=\"charts\">\n" + to_html(chart);
  chart.title = "Accuracy";
  chart.unit = AxisUnit::percent;
  chart.series = {{"train", values(&EpochRow::train_accuracy)}, {"val", values(&EpochRow::val_accuracy)}};
  html += to_html(chart);
  chart.title = "Learning rate";
  chart.unit = AxisUnit::number;
  chart.series = {{"at the end of the epoch", values(&EpochRow::lr)}};
  return html + to_html(chart) + "</div>\n" + epoch_table(report.rows) + "</section>\n";
}

std::string matrix_cell(const Report& report, const ConfusionMatrix& matrix, std::size_t truth,
                        std::size_t predicted) {
  const std::size_t count = matrix.count(truth, predicted);
  if (count == 0) return "<td class=\"miss none\" style=\"--share:0\">0</td>";
  const double share = share_of(count, matrix.scores(truth).support);
  return std::string("<td class=\"") + (truth == predicted ? "hit" : "miss") +
         "\" style=\"--share:" + fixed(share, 3) + "\" title=\"" +
         escape_html(report.classes[truth] + " taken for " + report.classes[predicted]) + "\">" +
         std::to_string(count) + "<small>" + percent(share) + "</small></td>";
}

std::string matrix_table(const Report& report, const ConfusionMatrix& matrix) {
  std::string rows = "<thead><tr><th scope=\"col\">true ↓ predicted →</th>";
  for (const std::string& name : report.classes) rows += "<th scope=\"col\">" + escape_html(name) + "</th>";
  rows += "</tr></thead>\n<tbody>\n";
  for (std::size_t truth = 0; truth < matrix.classes(); ++truth) {
    rows += "<tr><th scope=\"row\">" + escape_html(report.classes[truth]) + "</th>";
    for (std::size_t j = 0; j < matrix.classes(); ++j) rows += matrix_cell(report, matrix, truth, j);
    rows += "</tr>\n";
  }
  return "<p>Pictures, and their share of the true class (the row). Blue is right, orange is wrong; the "
         "larger the "
         "share, the stronger.</p>\n" +
         html_table("Confusion matrix", rows + "</tbody>\n");
}

/// The matrix's largest cells beside the diagonal, where there are too many classes for all of it.
std::string confusion_list(const Report& report, const ConfusionMatrix& matrix) {
  std::vector<std::array<std::size_t, 2>> cells;
  for (std::size_t truth = 0; truth < matrix.classes(); ++truth) {
    for (std::size_t j = 0; j < matrix.classes(); ++j) {
      if (truth != j && matrix.count(truth, j) > 0) cells.push_back({truth, j});
    }
  }
  std::stable_sort(cells.begin(), cells.end(), [&](const auto& a, const auto& b) {
    return matrix.count(a[0], a[1]) > matrix.count(b[0], b[1]);
  });
  const std::size_t shown = std::min(cells.size(), kMostConfusions);
  std::string rows =
      "<thead><tr><th scope=\"col\">true class</th><th scope=\"col\">predicted</th><th scope=\"col\">pictures"
      "</th><th scope=\"col\">share of the true class</th></tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < shown; ++i) {
    const std::size_t count = matrix.count(cells[i][0], cells[i][1]);
    const double share = share_of(count, matrix.scores(cells[i][0]).support);
    rows += "<tr><th scope=\"row\">" + escape_html(report.classes[cells[i][0]]) + "</th><td>" +
            escape_html(report.classes[cells[i][1]]) + "</td><td>" + std::to_string(count) + "</td>" +
            bar_cell(share, percent(share)) + "</tr>\n";
  }
  return "<p>The " + std::to_string(shown) + " most frequent of " + std::to_string(cells.size()) +
         " confusions; there are too many classes to show the whole matrix.</p>\n" +
         html_table("Most frequent confusions", rows + "</tbody>\n");
}

std::string class_table(const Report& report, const ConfusionMatrix& matrix) {
  std::string rows =
      "<thead><tr><th scope=\"col\">class</th><th scope=\"col\">precision</th><th "
      "scope=\"col\">recall</th><th "
      "scope=\"col\">F1</th><th scope=\"col\">pictures</th></tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < matrix.classes(); ++i) {
    const ClassScores scores = matrix.scores(i);
    rows += "<tr><th scope=\"row\">" + escape_html(report.classes[i]) + "</th>";
    for (const double score : {scores.precision, scores.recall, scores.f1}) {
      rows += bar_cell(score, fixed(score, 3));
    }
    rows += "<td>" + std::to_string(scores.support) + "</td></tr>\n";
  }
  return "<section>\n<h2>Scores by class</h2>\n<p>Precision: how many of the pictures taken for the class "
         "are of "
         "it. Recall: how many of the class's pictures are found.</p>\n" +
         html_table("Scores by class", rows + "</tbody>\n") + "</section>\n";
}

std::string calibration(const Reliability& answers) {
  const auto bins = answers.bins();
  BarChart reliability{"Accuracy", "confidence", AxisUnit::percent, true, {}};
  BarChart histogram{"Pictures", "confidence", AxisUnit::number, false, {}};
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const ReliabilityBin& bin = bins[i];
    const std::string range =
        percent(share_of(i, bins.size())) + " to " + percent(share_of(i + 1, bins.size())) + " sure: ";
    const std::string count = std::to_string(bin.count) + (bin.count == 1 ? " picture" : " pictures");
    reliability.bars.push_back(
        {bin.accuracy, bin.count == 0 ? "" : range + percent(bin.accuracy) + " right of " + count});
    histogram.bars.push_back({static_cast<double>(bin.count), bin.count == 0 ? "" : range + count});
  }
  return "<section>\n<h2>Calibration</h2>\n<p>Of the pictures that the network is 80 % sure of, 80 % should "
         "be right: "
         "bars on the dashed line. Bars below it mean that it is too sure, above it that it could be surer. "
         "Bars of "
         "few pictures mean little.</p>\n<div class=\"charts\">\n" +
         to_html(reliability) + to_html(histogram) + "</div>\n</section>\n";
}

std::string gallery_figure(const Report& report, const Answer& answer) {
  const Prediction& prediction = report.predictions[answer.index];
  const std::string& truth = report.classes[prediction.label];
  const std::string& predicted = report.classes[answer.predicted];
  const bool right = prediction.label == answer.predicted;
  const std::string caption =
      (right ? "<b>" + escape_html(truth) + "</b> " : "<b>" + escape_html(predicted) + "</b> ") +
      percent(answer.confidence) + (right ? "" : "<br>true: " + escape_html(truth)) + "<br>" +
      escape_html(prediction.path.filename().string());
  return picture_figure(prediction.path, truth + (right ? ", found" : ", taken for " + predicted), caption)
      .value_or("");
}

/// The first `count` of the answers whose pictures can be read.
std::string gallery(const Report& report, const std::string& heading, const std::string& text,
                    const std::vector<Answer>& answers, std::size_t count) {
  std::string figures;
  for (const Answer& answer : answers) {
    if (count == 0) break;
    const std::string figure = gallery_figure(report, answer);
    figures += figure;
    count -= figure.empty() ? 0 : 1;
  }
  if (figures.empty()) return {};
  return "<section>\n<h2>" + heading + "</h2>\n<p>" + text + "</p>\n<div class=\"gallery\">\n" + figures +
         "</div>\n</section>\n";
}

std::string galleries(const Report& report, std::vector<Answer> answers) {
  const auto less_sure = [](const Answer& a, const Answer& b) { return a.confidence < b.confidence; };
  std::stable_sort(answers.begin(), answers.end(), less_sure);
  std::vector<Answer> wrong;
  std::vector<Answer> right;
  for (const Answer& answer : answers) (is_right(report, answer) ? right : wrong).push_back(answer);
  std::reverse(wrong.begin(), wrong.end());
  return gallery(report, "Most wrong",
                 "Pictures that the network is surest about and yet wrong: hard ones, or labels that are.",
                 wrong, kMostWrong) +
         gallery(report, "Right, and least sure",
                 "Pictures that more training pictures like them would help.", right, kLeastSure);
}

std::string pair_table(const std::string& heading,
                       const std::vector<std::pair<std::string, std::string>>& pairs) {
  if (pairs.empty()) return {};
  std::string rows = "<tbody class=\"texts\">\n";
  for (const auto& [name, value] : pairs) {
    rows += "<tr><th scope=\"row\">" + escape_html(name) + "</th><td>" + escape_html(value) + "</td></tr>\n";
  }
  return "<section>\n<h2>" + heading + "</h2>\n" + html_table(heading, rows + "</tbody>\n") + "</section>\n";
}

std::string recipe_table(const nlohmann::json& recipe) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (recipe.is_object()) {
    for (const auto& [name, value] : recipe.items()) {
      pairs.emplace_back(name, value.is_string()
                                   ? value.get<std::string>()
                                   : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
  }
  return pair_table("Recipe", pairs);
}

std::string results(const Report& report, const ConfusionMatrix& matrix, const Answers& answers) {
  if (report.predictions.empty()) return {};
  return "<section>\n<h2>Confusion matrix</h2>\n" +
         (matrix.classes() <= kLargestMatrix ? matrix_table(report, matrix)
                                             : confusion_list(report, matrix)) +
         "</section>\n" + class_table(report, matrix) + calibration(answers.reliability) +
         galleries(report, answers.each);
}

}  // namespace

void write_report(const std::filesystem::path& path, const Report& report) {
  check(report);
  const Answers answers = find_answers(report, report.temperature);
  ConfusionMatrix matrix(report.classes.size());
  for (const Answer& answer : answers.each) {
    matrix.add(report.predictions[answer.index].label, answer.predicted);
  }
  const std::string page =
      html_page(report.title, headlines(report, matrix, answers.reliability) + curves(report) +
                                  results(report, matrix, answers) + pair_table("Facts", report.facts) +
                                  recipe_table(report.recipe));
  write_file_atomically(path, [&](FileWriter& file) { file.write(page); });
}

}  // namespace resnet
