#include <algorithm>
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "model/best_classes.h"
#include "model/error.h"
#include "training/captioned_picture.h"
#include "training/classifier_options.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/format.h"
#include "training/image_folder.h"
#include "training/interrupt.h"
#include "training/picture.h"
#include "training/shared_classification.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

struct PredictOptions {
  ClassifierOptions classifier;
  std::vector<fs::path> inputs;
  int top_k = 5;
  bool json = false, show = false, strict = false;
  fs::path save;
};

std::vector<fs::path> find_pictures(const std::vector<fs::path>& inputs) {
  std::vector<fs::path> pictures;
  for (const fs::path& input : inputs) {
    if (!fs::is_directory(input)) {
      pictures.push_back(input);
      continue;
    }
    std::vector<fs::path> others;
    const std::vector<fs::path> found = list_pictures(input, others);
    if (found.empty()) {
      throw Error(ErrorCode::not_found, "folder " + input.string() + " holds no picture");
    }
    pictures.insert(pictures.end(), found.begin(), found.end());
  }
  return pictures;
}

std::string probability_text(double probability) { return format("%.3f", probability); }

class Output {
 public:
  Output(const PredictOptions& options, const Classifier& classifier, std::vector<fs::path> pictures)
      : options_(options), classifier_(classifier), pictures_(std::move(pictures)) {
    // One picture goes to the very name; several go into a folder of that name.
    if (!options_.save.empty() && (pictures_.size() > 1 || fs::is_directory(options_.save))) {
      std::error_code error;
      fs::create_directories(options_.save, error);
      if (error) {
        throw Error(ErrorCode::write,
                    "folder " + options_.save.string() + " cannot be made: " + error.message());
      }
      into_folder_ = true;
    }
  }

  const std::vector<fs::path>& pictures() const { return pictures_; }
  const nlohmann::json& document() const { return document_; }

  void add(std::size_t index, const std::vector<float>& probabilities) {
    std::vector<CaptionLine> lines;
    nlohmann::json predictions = nlohmann::json::array();
    for (const std::size_t i : best_classes(probabilities, static_cast<std::size_t>(options_.top_k))) {
      const std::string& name = classifier_.classes()[i];
      lines.push_back({name, probabilities[i], static_cast<int>(i)});
      predictions.push_back({{"class", name}, {"index", i}, {"probability", probabilities[i]}});
    }
    if (options_.json) {
      document_.push_back({{"picture", pictures_[index].string()}, {"predictions", std::move(predictions)}});
    } else {
      print(index, lines);
    }
    if (options_.show || !options_.save.empty()) {
      draw(index, lines);
    }
  }

 private:
  void print(std::size_t index, const std::vector<CaptionLine>& lines) const {
    if (pictures_.size() > 1) {
      std::printf("%s\n", printable(pictures_[index].string()).c_str());
    }
    for (const CaptionLine& line : lines) {
      std::printf("class: %s   prob: %s\n", printable(line.label).c_str(),
                  probability_text(line.probability).c_str());
    }
  }

  void draw(std::size_t index, const std::vector<CaptionLine>& lines) const {
    RgbPicture picture = read_picture(pictures_[index]);
    draw_onto(picture, {lines.front()});
    if (!options_.save.empty()) {
      save_picture(picture, into_folder_ ? target(index) : options_.save);
    }
    if (options_.show) {
      show_picture(picture, "class: " + printable(lines.front().label) +
                                "   prob: " + probability_text(lines.front().probability));
    }
  }

  /// Numbered, because pictures of different folders may have the same name.
  fs::path target(std::size_t index) const {
    return options_.save / (format("%04zu_", index + 1) + pictures_[index].stem().string() + ".png");
  }

  const PredictOptions& options_;
  const Classifier& classifier_;
  const std::vector<fs::path> pictures_;
  bool into_folder_ = false;
  nlohmann::json document_ = nlohmann::json::array();
};

int run_predict(PredictOptions options, bool quiet) {
  const ProcessGroup group = ProcessGroup::from_environment("cpu");  // what they tell each other is there
  use_local_share(options.classifier, group);
  Console console(quiet || !group.first());
  Classifier classifier(options.classifier, console);
  Output output(options, classifier, find_pictures(options.inputs));
  std::size_t skipped = 0;
  const auto skip = [&](std::size_t, const std::string& why) {
    // The only picture asked for: there is nothing to go on with.
    if (options.strict || output.pictures().size() == 1) {
      throw Error(ErrorCode::format, why);
    }
    console.warn(why + "; skipped");
    ++skipped;
  };
  const bool finished = classify_together(
      classifier, group, output.pictures(), "predict",
      [&](std::size_t index, const Classifier::Result& result) { output.add(index, result.probabilities); },
      skip);
  if (!group.first()) {
    return finished ? 0 : kInterruptedExitCode;
  }
  if (options.json) {
    std::printf("%s\n",
                output.document().dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }
  if (skipped > 0) {
    console.warn(std::to_string(skipped) +
                 (skipped == 1 ? " picture was skipped" : " pictures were skipped"));
  }
  if (!finished) {
    return kInterruptedExitCode;
  }
  return skipped == output.pictures().size() ? 1 : 0;
}

}  // namespace

void add_predict_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command = *app.add_subcommand("predict", "Classify pictures");
  const auto options = std::make_shared<PredictOptions>();
  command.add_option("PICTURE", options->inputs, "Picture files, or folders of them")->required();
  add_classifier_options(command, options->classifier);
  command.add_option("--top-k,-k", options->top_k, "Classes to print, best first")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_flag("--json", options->json, "Print one JSON document");
  command.add_flag("--show", options->show, "Show each picture with its class in a window");
  command.add_option("--save", options->save,
                     "Write the picture with its class to this file; several: into this folder");
  command.add_flag("--strict", options->strict, "A file that is no readable picture is an error");
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_predict(*options, quiet); }; });
}

}  // namespace resnet
