#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include <CLI/CLI.hpp>

#include "model/error.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/file.h"
#include "training/interrupt.h"
#include "training/picture_store.h"
#include "training/trainer.h"

namespace resnet {
namespace {

/// What was given on the command line; what was not keeps the preset's value.
struct TrainOptions {
  std::string data, output, weights, preset = "classic", arch, device = "auto";
  std::vector<int> layers;
  std::string block = "basic";
  int width = 64;
  std::optional<std::string> optimizer, schedule, precision;
  std::optional<double> lr, momentum, weight_decay, label_smoothing, warmup_epochs, min_scale, jitter;
  std::optional<int> batch_size, epochs, first_size, last_size, norm_batch, shrink, workers, threads;
  std::optional<std::uint64_t> seed;
  std::optional<long> cache_mb;
  int image_size = 224;
  double hold_out = 0;
  bool fresh = false, strict = false, flip_average = false;
};

template <typename T>
void override_with(T& value, const std::optional<T>& given) {
  if (given) {
    value = *given;
  }
}

Recipe make_recipe(const TrainOptions& options) {
  Recipe recipe = preset(options.preset, options.image_size);
  override_with(recipe.optimizer, options.optimizer);
  override_with(recipe.schedule, options.schedule);
  override_with(recipe.precision, options.precision);
  override_with(recipe.lr, options.lr);
  override_with(recipe.momentum, options.momentum);
  override_with(recipe.weight_decay, options.weight_decay);
  override_with(recipe.label_smoothing, options.label_smoothing);
  override_with(recipe.warmup_epochs, options.warmup_epochs);
  override_with(recipe.min_scale, options.min_scale);
  override_with(recipe.jitter, options.jitter);
  override_with(recipe.batch_size, options.batch_size);
  override_with(recipe.epochs, options.epochs);
  override_with(recipe.first_size, options.first_size);
  override_with(recipe.last_size, options.last_size);
  override_with(recipe.norm_batch, options.norm_batch);
  override_with(recipe.shrink, options.shrink);
  override_with(recipe.seed, options.seed);
  recipe.flip_average = options.flip_average;
  return recipe;
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

std::string default_output(const std::optional<Architecture>& architecture) {
  const std::string name = architecture ? architecture->name() : "resnet34";
  return (name.find(' ') == std::string::npos ? name : std::string("resnet")) + ".pth";
}

TrainingJob make_job(const TrainOptions& options) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  TrainingJob job;
  job.recipe = make_recipe(options);
  job.architecture = make_architecture(options);
  job.output = options.output.empty() ? default_output(job.architecture) : options.output;
  job.weights = options.weights;
  job.fresh = options.fresh;
  job.strict = options.strict;
  job.workers = options.workers.value_or(std::min({cores, job.recipe.batch_size, 8}));
  job.threads = options.threads.value_or(cores);
  job.device = options.device;
  job.cache_bytes =
      options.cache_mb ? static_cast<std::ptrdiff_t>(*options.cache_mb) << 20 : default_picture_budget();
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
  Console console(quiet);
  TrainingJob job = make_job(options);
  check_writable(job.output);
  job.data = open_training_data(options.data, options.hold_out);
  describe(job, console);
  const TrainingResult result = train(job, console);
  const std::size_t skipped = result.skipped + job.data.not_pictures.size();
  if (skipped > 0) {
    console.warn(std::to_string(skipped) + (skipped == 1 ? " file was skipped" : " files were skipped"));
  }
  print_summary(job, result);
  if (result.interrupted) {
    console.note("interrupted; the same command goes on after the last whole epoch");
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

void add_recipe_options(CLI::App& command, TrainOptions& o) {
  const auto part = CLI::Range(0.0, 1.0);
  command
      .add_option("--preset", o.preset,
                  "classic: the published recipe; scratch: more in less time without pretrained weights")
      ->check(CLI::IsMember(preset_names()))
      ->capture_default_str();
  command.add_option("--epochs", o.epochs, "Passes over the pictures")->check(CLI::Range(1, 100000));
  command.add_option("--batch-size", o.batch_size, "Pictures a step")->check(CLI::Range(2, 65536));
  command.add_option("--image-size", o.image_size, "Side of the network's input, pixels")
      ->check(CLI::Range(32, 1024))
      ->capture_default_str();
  command.add_option("--seed", o.seed, "The same seed gives the same result");
  command.add_option("--optimizer", o.optimizer, "adam, adamw or sgd")
      ->check(CLI::IsMember({"adam", "adamw", "sgd"}));
  command.add_option("--lr", o.lr, "Learning rate")->check(CLI::Range(0.0, 1000.0));
  command.add_option("--momentum", o.momentum, "Of sgd")->check(part);
  command.add_option("--weight-decay", o.weight_decay, "Not on biases and batch norms")->check(part);
  command.add_option("--schedule", o.schedule, "constant or cosine")
      ->check(CLI::IsMember({"constant", "cosine"}));
  command.add_option("--warmup-epochs", o.warmup_epochs, "The learning rate rises for so long")
      ->check(CLI::Range(0.0, 1000.0));
  command.add_option("--label-smoothing", o.label_smoothing, "0…1")->check(part);
  command.add_option("--min-scale", o.min_scale, "Smallest part of a picture's area that a crop keeps")
      ->check(CLI::Range(0.001, 1.0));
  command.add_option("--jitter", o.jitter, "Brightness, contrast and saturation vary by so much")
      ->check(part);
  command.add_option("--first-size", o.first_size, "Training crops grow from this side …")
      ->check(CLI::Range(0, 1024));
  command.add_option("--last-size", o.last_size, "… to this one; 0: both are --image-size")
      ->check(CLI::Range(0, 1024));
  command
      .add_option("--norm-batch", o.norm_batch,
                  "Batch norm takes so many pictures together, and threads take such parts; 0: all")
      ->check(CLI::Range(0, 65536));
  command.add_option("--shrink", o.shrink, "Training pictures are kept with this short side; 0: as they are")
      ->check(CLI::Range(0, 8192));
  command.add_flag("--flip-average", o.flip_average,
                   "Validate with the mean of a picture and its mirror image");
}

void add_machine_options(CLI::App& command, TrainOptions& o) {
  command.add_option("--precision", o.precision, "fp32, bf16, or auto: bf16 where the processor has it")
      ->check(CLI::IsMember({"fp32", "bf16", "auto"}));
  command.add_option("--device", o.device, "auto, cpu or cuda")->capture_default_str();
  command.add_option("--threads", o.threads, "Threads of the network; default: all cores")
      ->check(CLI::Range(1, 1024));
  command.add_option("--workers", o.workers, "Threads that read pictures; default: min(cores, batch, 8)")
      ->check(CLI::Range(1, 256));
  command
      .add_option("--cache-mb", o.cache_mb, "Memory for decoded pictures; default: a quarter of what is free")
      ->check(CLI::Range(0L, 1L << 24));
  command.add_flag("--strict", o.strict, "A file that is no readable picture is an error");
}

}  // namespace

void add_train_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command = *app.add_subcommand("train", "Train a network on a folder of pictures");
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
