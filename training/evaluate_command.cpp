#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "model/best_classes.h"
#include "model/error.h"
#include "training/class_match.h"
#include "training/classifier_options.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/image_folder.h"
#include "training/interrupt.h"
#include "training/metrics.h"

namespace resnet {
namespace {

struct EvaluateOptions {
  ClassifierOptions classifier;
  std::filesystem::path folder;
  bool json = false, strict = false;
};

/// The folder itself, or its val/ when it holds train/ and val/.
std::filesystem::path evaluated_folder(const std::filesystem::path& folder, Console& console) {
  if (std::filesystem::is_directory(folder / "train") && std::filesystem::is_directory(folder / "val")) {
    console.note("evaluating " + (folder / "val").string());
    return folder / "val";
  }
  return folder;
}

int run_evaluate(const EvaluateOptions& options, bool quiet) {
  Console console(quiet);
  Classifier classifier(options.classifier, console);
  const std::filesystem::path root = evaluated_folder(options.folder, console);
  const ImageFolder folder = scan_image_folder(root);
  const std::vector<std::size_t> matched =
      match_classes(folder.classes, root, classifier.info().classes, classifier.classes().size());
  // Without names of its own the model takes the folders'.
  const std::vector<std::string>& names =
      classifier.has_class_names() ? classifier.classes() : folder.classes;
  std::vector<std::filesystem::path> pictures;
  for (const Sample& sample : folder.samples) {
    pictures.push_back(sample.path);
  }
  std::size_t skipped = 0;
  const auto skip = [&](const std::string& why) {
    if (options.strict) {
      throw Error(ErrorCode::format, why);
    }
    console.warn(why + "; skipped");
    ++skipped;
  };
  for (const auto& path : folder.not_pictures) {
    skip(path.string() + " is not a picture");
  }
  ConfusionMatrix matrix(names.size());
  const bool finished = classifier.run(
      pictures, "evaluate",
      [&](std::size_t index, const std::vector<float>& probabilities) {
        matrix.add(matched[static_cast<std::size_t>(folder.samples[index].label)],
                   best_classes(probabilities, 1).front());
      },
      [&](std::size_t, const std::string& why) { skip(why); });
  if (!finished) {
    return kInterruptedExitCode;
  }
  if (skipped > 0) {
    console.warn(std::to_string(skipped) + (skipped == 1 ? " file was skipped" : " files were skipped"));
  }
  if (matrix.total() == 0) {
    throw Error(ErrorCode::format, "none of the pictures in " + root.string() + " could be read");
  }
  if (options.json) {
    nlohmann::json document = evaluation_json(matrix, names);
    document["model"] = options.classifier.model.string();
    document["computed_on"] = classifier.description();
    document["skipped"] = skipped;
    std::printf("%s\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s", evaluation_text(matrix, names).c_str());
  }
  return 0;
}

}  // namespace

void add_evaluate_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command =
      *app.add_subcommand("evaluate", "Accuracy, scores per class and confusion matrix of a model");
  const auto options = std::make_shared<EvaluateOptions>();
  command.add_option("DIR", options->folder, "Folder with one sub-folder of pictures per class")->required();
  add_classifier_options(command, options->classifier);
  command.add_flag("--json", options->json, "Print one JSON document");
  command.add_flag("--strict", options->strict, "A file that is no readable picture is an error");
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_evaluate(*options, quiet); }; });
}

}  // namespace resnet
