#include <cstdio>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "model/file_io.h"
#include "training/classifier_options.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/data_check.h"
#include "training/data_check_output.h"
#include "training/file.h"
#include "training/interrupt.h"

namespace resnet {
namespace {

/// Not 1, which is that of an error: a script can tell bad data from a check that did not happen.
constexpr int kSeriousExitCode = 3;

struct CheckOptions {
  DataCheckOptions check;
  ClassifierOptions classifier;
  bool json = false;
  std::filesystem::path html;
};

int run_check(const CheckOptions& options, bool quiet) {
  Console console(quiet);
  if (!options.html.empty()) check_writable(options.html);
  std::optional<Classifier> classifier;
  if (!options.classifier.model.empty()) classifier.emplace(options.classifier, console);
  const std::optional<DataFindings> findings =
      check_data(options.check, classifier ? &*classifier : nullptr, console);
  if (!findings) return kInterruptedExitCode;
  if (!options.html.empty()) {
    const std::string page = to_html(*findings);
    write_file_atomically(options.html, [&](FileWriter& file) { file.write(page); });
  }
  if (options.json) {
    std::printf("%s\n",
                to_json(*findings).dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s", to_text(*findings).c_str());
  }
  return serious_findings(*findings) == 0 ? 0 : kSeriousExitCode;
}

}  // namespace

void add_data_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& group = *app.add_subcommand("data", "Look into a folder of training pictures");
  group.require_subcommand(1);
  CLI::App& command = *group.add_subcommand(
      "check", "Unreadable, tiny, duplicate and contradictory pictures, leaks between splits, class balance");
  const auto options = std::make_shared<CheckOptions>();
  command
      .add_option("DIR", options->check.folder,
                  "Folder with train/, val/ and perhaps test/, or with one sub-folder of pictures per class")
      ->required();
  command.add_flag("--json", options->json, "Print one JSON document with all findings");
  command.add_option("--html", options->html, "Write a page with thumbnails to this file");
  command.add_option("--min-side", options->check.min_side, "A picture with fewer pixels on a side is tiny")
      ->check(CLI::Range(1, 32768))
      ->capture_default_str();
  command
      .add_option(
          "--near-distance", options->check.near_distance,
          "Pictures are the same when at most so many of the 256 bits of their perceptual hashes differ "
          "(and their colours hardly do)")
      ->check(CLI::Range(0, kMaxHashDistance))
      ->capture_default_str();
  add_classifier_options(command, options->classifier);
  command.get_option("--model")->required(false)->description(
      "Also ask this model file which pictures look mislabelled");
  command.footer(
      "Exit code: 0 nothing serious, 3 something serious (a picture that cannot be read, that is in two "
      "classes or "
      "two splits, a class without pictures), 1 an error, 2 a wrong command line, 130 Ctrl-C.");
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_check(*options, quiet); }; });
}

}  // namespace resnet
