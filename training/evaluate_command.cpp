#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>

#include "model/best_classes.h"
#include "model/error.h"
#include "model/model_file.h"
#include "training/class_match.h"
#include "training/classifier_options.h"
#include "training/commands.h"
#include "training/confidence.h"
#include "training/console.h"
#include "training/file.h"
#include "training/image_folder.h"
#include "training/interrupt.h"
#include "training/metrics.h"
#include "training/report.h"
#include "training/shared_classification.h"

namespace resnet {
namespace {

struct EvaluateOptions {
  ClassifierOptions classifier;
  std::filesystem::path folder;
  std::filesystem::path report;  ///< empty: none
  bool held_out = false, calibrate = false, json = false, strict = false;
};

/// The folder itself, or what it validates with beside its train/.
std::filesystem::path evaluated_folder(const std::filesystem::path& folder, Console& console) {
  const std::optional<std::filesystem::path> val = validation_folder(folder);
  if (val) console.note("evaluating " + val->string());
  return val.value_or(folder);
}

/// What training validates with.
ImageFolder held_out_pictures(const std::filesystem::path& root) {
  TrainingData data = open_training_data(root);
  return {std::move(data.classes), std::move(data.val), std::move(data.not_pictures)};
}

/// What a model says of a folder's pictures.
struct Evaluation {
  std::vector<std::string> classes;
  ConfusionMatrix matrix{0};
  std::size_t among_five = 0;              ///< pictures whose class is one of the five most probable ones
  std::optional<Reliability> reliability;  ///< not of multi-label models
  std::vector<Prediction> predictions;     ///< to calibrate by and to report
  std::size_t skipped = 0;
};

/// @return nothing when Ctrl-C ended it early
std::optional<Evaluation> evaluate(const EvaluateOptions& options, Classifier& classifier,
                                   const ProcessGroup& group, Console& console) {
  const std::filesystem::path root = evaluated_folder(options.folder, console);
  const ImageFolder folder = options.held_out ? held_out_pictures(options.folder) : scan_image_folder(root);
  const std::vector<std::size_t> matched =
      match_classes(folder.classes, root, classifier.info().classes, classifier.classes().size());
  Evaluation evaluation;
  // Without names of its own the model takes the folders'.
  evaluation.classes = classifier.has_class_names() ? classifier.classes() : folder.classes;
  evaluation.matrix = ConfusionMatrix(evaluation.classes.size());
  if (classifier.info().activation == Activation::softmax) {
    evaluation.reliability.emplace();
  }
  std::vector<std::filesystem::path> pictures;
  for (const Sample& sample : folder.samples) {
    pictures.push_back(sample.path);
  }
  const auto skip = [&](const std::string& why) {
    if (options.strict) {
      throw Error(ErrorCode::format, why);
    }
    console.warn(why + "; skipped");
    ++evaluation.skipped;
  };
  for (const auto& path : group.first() ? folder.not_pictures : std::vector<std::filesystem::path>()) {
    skip(path.string() + " is not a picture");
  }
  const auto add = [&](std::size_t index, const Classifier::Result& result) {
    const std::size_t label = matched[static_cast<std::size_t>(folder.samples[index].label)];
    const std::vector<std::size_t> best = best_classes(result.probabilities, 5);
    evaluation.matrix.add(label, best.front());
    if (std::find(best.begin(), best.end(), label) != best.end()) ++evaluation.among_five;
    if (evaluation.reliability) {
      evaluation.reliability->add(result.probabilities, label);
    }
    if (options.calibrate || !options.report.empty()) {
      evaluation.predictions.push_back({pictures[index], label, result.logits});
    }
  };
  if (!classify_together(classifier, group, pictures, "evaluate", add,
                         [&](std::size_t, const std::string& why) { skip(why); })) {
    return std::nullopt;
  }
  if (evaluation.skipped > 0) {
    console.warn(std::to_string(evaluation.skipped) +
                 (evaluation.skipped == 1 ? " file was skipped" : " files were skipped"));
  }
  if (group.first() && evaluation.matrix.total() == 0) {
    throw Error(ErrorCode::format, "none of the pictures in " + root.string() + " could be read");
  }
  return evaluation;
}

double top_five_accuracy(const Evaluation& evaluation) {
  return static_cast<double>(evaluation.among_five) / static_cast<double>(evaluation.matrix.total());
}

void print_text(const Evaluation& evaluation, double temperature, const std::optional<ConfidenceFit>& fit) {
  std::printf("%s", evaluation_text(evaluation.matrix, evaluation.classes).c_str());
  const auto print = [](double used, const Reliability& reliability) {
    std::printf("temperature %g: expected calibration error %.4f, negative log likelihood %.4f\n", used,
                reliability.expected_calibration_error(), reliability.negative_log_likelihood());
  };
  if (evaluation.classes.size() > 5) {
    std::printf("\ntop-5 accuracy: %.4f\n", top_five_accuracy(evaluation));
  }
  if (evaluation.reliability) {
    std::printf("\n");
    print(temperature, *evaluation.reliability);
  }
  if (!fit) {
    return;
  }
  print(fit->temperature, fit->reliability);
  if (const auto& threshold = fit->threshold) {
    std::printf(
        "threshold %g: %.4f of the pictures named, %.4f of those right; %.4f of the right answers named\n",
        threshold->probability, threshold->coverage, threshold->accuracy, threshold->right_named);
  }
}

nlohmann::json to_json(const ConfidenceFit& fit) {
  nlohmann::json document = {{"temperature", fit.temperature}, {"calibration", to_json(fit.reliability)}};
  if (fit.threshold) {
    document["threshold"] = {{"probability", fit.threshold->probability},
                             {"coverage", fit.threshold->coverage},
                             {"accuracy", fit.threshold->accuracy},
                             {"right_named", fit.threshold->right_named}};
  }
  return document;
}

void print_json(const Evaluation& evaluation, const EvaluateOptions& options, const Classifier& classifier,
                const std::optional<ConfidenceFit>& fit) {
  nlohmann::json document = evaluation_json(evaluation.matrix, evaluation.classes);
  document["model"] = options.classifier.model.string();
  document["computed_on"] = classifier.description();
  document["skipped"] = evaluation.skipped;
  if (evaluation.classes.size() > 5) document["top5_accuracy"] = top_five_accuracy(evaluation);
  if (evaluation.reliability) {
    document["temperature"] = classifier.info().temperature;
    document["calibration"] = to_json(*evaluation.reliability);
  }
  if (fit) {
    document["calibrated"] = to_json(*fit);
  }
  std::printf("%s\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

/// What the file to calibrate says of itself, which is read before anything takes long.
ModelInfo info_to_calibrate(const std::filesystem::path& model) {
  check_writable(model);
  ModelInfo info = read_model_info(model);
  if (info.activation != Activation::softmax) {
    throw Error(ErrorCode::mismatch,
                model.string() +
                    " is a multi-label model: pictures of one class do not say which others are there, so "
                    "its probabilities cannot be calibrated by them");
  }
  return info;
}

void save_report(const EvaluateOptions& options, const Classifier& classifier, const Evaluation& evaluation,
                 double temperature) {
  Report report;
  report.title = options.classifier.model.filename().string();
  report.classes = evaluation.classes;
  report.split = options.folder.string();
  report.predictions = evaluation.predictions;
  report.temperature = temperature;
  report.activation = classifier.info().activation;
  report.facts = {{"model", options.classifier.model.string()},
                  {"architecture", classifier.info().architecture.name()},
                  {"computed on", classifier.description()},
                  {"files skipped", std::to_string(evaluation.skipped)}};
  write_report(options.report, report);
}

int run_evaluate(EvaluateOptions options, bool quiet) {
  const ProcessGroup group = ProcessGroup::from_environment("cpu");  // what they tell each other is there
  use_local_share(options.classifier, group);
  Console console(quiet || !group.first());
  const std::filesystem::path& model = options.classifier.model;
  std::optional<ModelInfo> info;
  if (options.calibrate) {
    info = info_to_calibrate(model);
  }
  if (!options.report.empty()) {
    check_writable(options.report);
  }
  Classifier classifier(options.classifier, console);
  const std::optional<Evaluation> evaluation = evaluate(options, classifier, group, console);
  if (!evaluation) {
    return kInterruptedExitCode;
  }
  if (!group.first()) {
    return 0;
  }
  std::optional<ConfidenceFit> fit;
  if (info) {
    fit = fit_confidence(evaluation->predictions);
    info->temperature = fit->temperature;
    info->threshold.reset();
    if (fit->threshold) {
      info->threshold = fit->threshold->probability;
    }
    change_model_info(model, *info);
  }
  if (!options.report.empty()) {
    save_report(options, classifier, *evaluation, fit ? fit->temperature : classifier.info().temperature);
  }
  if (options.json) {
    print_json(*evaluation, options, classifier, fit);
  } else {
    print_text(*evaluation, classifier.info().temperature, fit);
  }
  if (fit) {
    console.note("wrote temperature and threshold into " + model.string());
  }
  return 0;
}

}  // namespace

void add_evaluate_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "evaluate", "Accuracy, scores per class, confusion matrix and calibration of a model");
  const auto options = std::make_shared<EvaluateOptions>();
  command.add_option("DIR", options->folder, "Folder with one sub-folder of pictures per class")->required();
  command.add_flag(
      "--held-out", options->held_out,
      "Only the pictures that train validates with: of a folder without val/ a tenth of each class");
  add_classifier_options(command, options->classifier);
  command
      .add_flag(
          "--calibrate", options->calibrate,
          "Fit the temperature and a threshold for none of these to the pictures, which no training may "
          "have seen, and write both into the model file")
      ->excludes("--flip-average");
  command
      .add_option("--report", options->report,
                  "HTML page to write: confusion matrix, calibration, the most wrong pictures")
      ->excludes("--flip-average");
  command.add_flag("--json", options->json, "Print one JSON document");
  command.add_flag("--strict", options->strict, "A file that is no readable picture is an error");
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_evaluate(*options, quiet); }; });
}

}  // namespace resnet
