#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include <CLI/CLI.hpp>

#include "model/error.h"
#include "model/model_file.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/file.h"
#include "training/interrupt.h"
#include "training/picture_cache.h"
#include "training/recipe_fields.h"
#include "training/run_files.h"
#include "training/trainer.h"

namespace resnet {
namespace {

/// What was given on the command line.
struct TrainOptions {
  std::string data, output, weights, preset, recipe_file, arch, device = "auto";
  std::vector<int> layers;
  std::string block = "basic";
  int width = 64;
  nlohmann::json recipe = nlohmann::json::object();  ///< fields that were given
  std::optional<int> workers, threads;
  std::optional<long> cache_mb;
  long cache_disk_mb = 0;
  double hold_out = 0, save_minutes = 5;
  bool fresh = false, strict = false;
};

Recipe make_recipe(const TrainOptions& options) {
  nlohmann::json document = nlohmann::json::object();
  if (!options.recipe_file.empty()) document = read_recipe_file(options.recipe_file);
  if (!options.preset.empty()) document["preset"] = options.preset;
  document.update(options.recipe);
  return recipe_from_json(document, options.recipe_file.empty() ? "the options" : options.recipe_file);
}

std::optional<Architecture> make_architecture(const TrainOptions& options) {
  if (!options.layers.empty()) {
    if (!options.arch.empty()) {
      throw Error(ErrorCode::unsupported, "--arch and --layers exclude each other");
    }
    Architecture architecture;
    architecture.block = options.block == "basic" ? BlockType::basic : BlockType::bottleneck;
    std::copy_n(options.layers.begin(), 4, architecture.layers.begin());
    architecture.width = options.width;
    return architecture;
  }
  return options.arch.empty() ? std::nullopt : std::optional(find_architecture(options.arch));
}

/// ARCH.pth, by the architecture that is asked for or that the weights have.
std::string default_output(const TrainingJob& job) {
  std::string name = job.architecture ? job.architecture->name() : "resnet34";
  if (!job.architecture && !job.weights.empty()) {
    if (job.group.first()) name = infer_architecture(read_checkpoint(job.weights)).architecture.name();
    name = job.group.of_first(name);
  }
  return (name.find(' ') == std::string::npos ? name : std::string("resnet")) + ".pth";
}

/// What a run reads it must not write.
void check_inputs_stay(const TrainingJob& job, const std::filesystem::path& recipe_file) {
  std::error_code ignored;
  if (!job.weights.empty() && std::filesystem::equivalent(job.weights, job.output, ignored)) {
    throw Error(ErrorCode::unsupported, "--weights " + job.weights.string() +
                                            " is the file that this run would write; give another --output");
  }
  const std::filesystem::path recipe = RunFiles(job.output).recipe_path();
  if (!recipe_file.empty() && std::filesystem::equivalent(recipe_file, recipe, ignored)) {
    throw Error(ErrorCode::unsupported,
                "--recipe " + recipe_file.string() +
                    " is the file in which this run would write its own; rename it, or "
                    "give an --output in another folder");
  }
}

TrainingJob make_job(const TrainOptions& options) {
  TrainingJob job;
  job.group = ProcessGroup::from_environment(options.device);
  const int sharing = static_cast<int>(job.group.local_share().count);
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / sharing);
  job.recipe = make_recipe(options);
  job.architecture = make_architecture(options);
  job.weights = options.weights;
  job.output = options.output.empty() ? default_output(job) : options.output;
  // What torchrun starts again goes on.
  const char* restarts = std::getenv("TORCHELASTIC_RESTART_COUNT");
  job.fresh = options.fresh && (restarts == nullptr || std::string_view(restarts) == "0");
  job.strict = options.strict;
  job.workers = options.workers.value_or(std::min({cores, job.recipe.batch_size, 8}));
  job.threads = options.threads.value_or(cores);
  job.device = options.device;
  job.save_seconds = options.save_minutes * 60;
  job.cache_bytes = options.cache_mb ? static_cast<std::ptrdiff_t>(*options.cache_mb) << 20
                                     : default_picture_budget() / sharing;
  job.disk_cache_bytes = static_cast<std::ptrdiff_t>(options.cache_disk_mb) << 20;
  return job;
}

void describe(const TrainingJob& job, Console& console) {
  std::string text = std::to_string(job.data.train.size()) + " pictures to train on, " +
                     std::to_string(job.data.val.size()) + " to validate with, " +
                     (job.data.test.empty() ? "" : std::to_string(job.data.test.size()) + " to test with, ") +
                     std::to_string(job.data.classes.size()) + " classes:";
  for (const std::string& name : job.data.classes) {
    text += " " + printable(name);
  }
  console.note(text);
  if (!job.group.alone()) console.note(std::to_string(job.group.size()) + " processes share the work");
  for (const auto& path : job.data.not_pictures) {
    console.warn(path.string() + " is not a picture; skipped");
  }
  if (job.strict && !job.data.not_pictures.empty()) {
    throw Error(ErrorCode::format, job.data.not_pictures.front().string() + " is not a picture");
  }
}

void print_summary(const TrainingJob& job, const TrainingResult& result) {
  std::printf("epoch  train_loss  train_accuracy  val_loss  val_accuracy\n");
  for (const EpochRow& row : result.rows) {
    std::printf("%5d  %10.4f  %14.4f  %8.4f  %12.4f\n", row.epoch, row.train_loss, row.train_accuracy,
                row.val_loss, row.val_accuracy);
  }
  const BestEpoch& best = result.best;
  if (best.epoch > 0) {
    std::printf("best val_accuracy: %.4f (epoch %d) in %s\n", best.val_accuracy, best.epoch,
                job.output.c_str());
  } else if (best.val_accuracy >= 0) {
    std::printf("best val_accuracy: %.4f, unchanged in %s\n", best.val_accuracy, job.output.c_str());
  }
  if (best.test_accuracy) {
    std::printf("test_accuracy of that network: %.4f\n", *best.test_accuracy);
  }
}

int run_train(const TrainOptions& options, bool quiet) {
  TrainingJob job = make_job(options);
  Console console(quiet || !job.group.first());
  if (job.group.first()) {
    check_inputs_stay(job, options.recipe_file);
    check_writable(job.output);
  }
  job.data = open_training_data(options.data, options.hold_out);
  describe(job, console);
  const TrainingResult result = train(job, console);
  const std::size_t skipped = result.skipped + job.data.not_pictures.size();
  if (skipped > 0) {
    console.warn(std::to_string(skipped) + (skipped == 1 ? " file was skipped" : " files were skipped"));
  }
  if (job.group.first()) print_summary(job, result);
  if (result.interrupted) {
    console.note(std::string("interrupted; the same command") + (job.fresh ? " without --fresh" : "") +
                 " goes on where it stopped");
    return kInterruptedExitCode;
  }
  return 0;
}

void add_network_options(CLI::App& command, TrainOptions& o) {
  command.add_option("--arch", o.arch, "Architecture, as torchvision names it; default resnet34")
      ->check(CLI::IsMember(architecture_names()));
  command
      .add_option("--layers", o.layers,
                  "A network of your own: blocks in each of the four stages, as 1,1,1,1")
      ->delimiter(',')
      ->expected(4)
      ->check(CLI::Range(1, 100));
  command.add_option("--width", o.width, "With --layers: channels of the first stage")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--block", o.block, "With --layers: kind of block")
      ->check(CLI::IsMember({"basic", "bottleneck"}))
      ->capture_default_str();
  command.add_option("--weights", o.weights, "Model file to start from; a head of another size is replaced");
  command.add_flag("--fresh", o.fresh, "Start over, whatever --output holds");
}

std::string option_name(std::string field) {
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

// An option for each kind of field, which notes what was given.
CLI::Option* add_field(CLI::App& command, const char* name, bool /*value*/, EitherWay /*allowed*/,
                       nlohmann::json& given) {
  const std::string option = option_name(name);
  return command.add_flag_function(option + ",!--no-" + option.substr(2),
                                   [&given, name](std::int64_t count) { given[name] = count > 0; });
}

CLI::Option* add_field(CLI::App& command, const char* name, const std::string& /*value*/,
                       const Choices& allowed, nlohmann::json& given) {
  return command
      .add_option_function<std::string>(option_name(name),
                                        [&given, name](const std::string& value) { given[name] = value; })
      ->check(CLI::IsMember(allowed));
}

template <typename Number>
CLI::Option* add_field(CLI::App& command, const char* name, Number /*value*/, const Range& allowed,
                       nlohmann::json& given) {
  return command
      .add_option_function<Number>(option_name(name),
                                   [&given, name](const Number& value) { given[name] = value; })
      ->check(CLI::Range(static_cast<Number>(allowed.low), static_cast<Number>(allowed.high)));
}

void add_recipe_options(CLI::App& command, TrainOptions& o) {
  command
      .add_option("--preset", o.preset,
                  "classic: the published recipe; scratch: more in less time without pretrained weights; "
                  "transfer: from --weights. Default classic")
      ->check(CLI::IsMember(preset_names()));
  command.add_option("--recipe", o.recipe_file,
                     "JSON file with the options below, by their names with \"_\" for \"-\", and perhaps "
                     "\"preset\"; each run writes the one that it took beside its output");
  const Recipe defaults;
  visit_fields(defaults, [&](const char* name, const auto& value, const auto& allowed, const char* meaning) {
    add_field(command, name, value, allowed, o.recipe)->description(meaning)->group("Recipe");
  });
}

void add_machine_options(CLI::App& command, TrainOptions& o) {
  command.add_option("--device", o.device, "auto, cpu or cuda")->capture_default_str();
  command.add_option("--threads", o.threads, "Threads of the network; default: all cores")
      ->check(CLI::Range(1, 1024));
  command.add_option("--workers", o.workers, "Threads that read pictures; default: min(cores, batch, 8)")
      ->check(CLI::Range(1, 256));
  command
      .add_option("--cache-mb", o.cache_mb,
                  "Memory for decoded pictures; default: a quarter of what is available, 4096 at most")
      ->check(CLI::Range(0L, 1L << 24));
  command
      .add_option("--cache-disk-mb", o.cache_disk_mb,
                  "Room for more of them in a temporary file, in the folder that TMPDIR names")
      ->check(CLI::Range(0L, 1L << 30))
      ->capture_default_str();
  command
      .add_option("--save-minutes", o.save_minutes,
                  "The state of the run is saved after each epoch and so often within one")
      ->check(CLI::Range(0.001, 10000.0))
      ->capture_default_str();
  command.add_flag("--strict", o.strict, "A file that is no readable picture is an error");
}

}  // namespace

void add_train_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command =
      *app.add_subcommand("train",
                          "Train a network on a folder of pictures; processes that torchrun or "
                          "mpirun starts share the work");
  const auto options = std::make_shared<TrainOptions>();
  command
      .add_option("DATA", options->data,
                  "Folder with train/, val/ and perhaps test/, or with one sub-folder per class")
      ->required();
  command
      .add_option("--hold-out", options->hold_out,
                  "Validate with such a part of train/, and keep val/ for the test of the network that this "
                  "chooses; a folder test/ is that anyway")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  command.add_option("--output,-o", options->output,
                     "Model file to write, .pth or .safetensors; default ARCH.pth");
  add_network_options(command, *options);
  add_recipe_options(command, *options);
  add_machine_options(command, *options);
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_train(*options, quiet); }; });
}

}  // namespace resnet
