#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "model/error.h"
#include "model/file_io.h"
#include "model/model_file.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/file.h"
#include "training/onnx_export.h"

namespace resnet {
namespace {

struct ConvertOptions {
  std::filesystem::path in, out, labels_file;
  std::optional<int> resize, crop;
  std::optional<std::string> interpolation;
  std::vector<float> mean, std;
  std::optional<double> threshold;
  std::optional<Activation> activation;
  std::optional<Fit> fit;
};

void stamp(ModelInfo& info, const ConvertOptions& options) {
  Preprocessing& p = info.preprocessing;
  p.resize_size = options.resize.value_or(p.resize_size);
  p.crop_size = options.crop.value_or(p.crop_size);
  p.fit = options.fit.value_or(p.fit);
  if (p.crop_size > p.resize_size) {
    throw Error(ErrorCode::mismatch, "--crop " + std::to_string(p.crop_size) + " is larger than --resize " +
                                         std::to_string(p.resize_size) +
                                         "; a crop must fit into the picture");
  }
  if (options.interpolation) {
    p.interpolation = *options.interpolation == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
  }
  if (!options.mean.empty()) {
    std::copy_n(options.mean.begin(), 3, p.mean.begin());
  }
  if (!options.std.empty()) {
    std::copy_n(options.std.begin(), 3, p.std.begin());
  }
  if (options.threshold) {
    info.threshold = options.threshold;
  }
  info.activation = options.activation.value_or(info.activation);
}

int run_convert(const ConvertOptions& options, bool quiet) {
  Console console(quiet);
  check_writable(options.out);
  Model model = load_model(options.in, options.labels_file);
  for (const std::string& warning : model.warnings) {
    console.warn(warning);
  }
  const Preprocessing before = model.info.preprocessing;
  stamp(model.info, options);
  if (model.info.quantization && model.info.preprocessing != before) {
    throw Error(ErrorCode::mismatch,
                options.in.string() +
                    " is quantized for its preprocessing, which can no longer be changed; convert "
                    "the model that it was made of and quantize that");
  }
  if (!has_extension(options.out, ".onnx")) {
    save_model(options.out, model.network, model.info);
  } else if (model.info.quantization) {
    throw Error(ErrorCode::unsupported,
                options.in.string() +
                    " is quantized, and ONNX is written in fp32 only; convert the model that it was made of");
  } else {
    write_onnx(options.out, model.network, model.info);
  }
  console.note("wrote " + options.out.string());
  return 0;
}

}  // namespace

void add_convert_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "convert", "Rewrite a model file as .pth, .safetensors or .onnx and say in it what it did not say");
  const auto options = std::make_shared<ConvertOptions>();
  command.add_option("IN", options->in, "Model file to read")->required();
  command
      .add_option("OUT", options->out, "File to write: .safetensors, .onnx for other programs, or else .pth")
      ->required();
  command.add_option("--resize", options->resize, "Short side of a picture after Resize, pixels")
      ->check(CLI::Range(1, max_input_size));
  command.add_option("--crop", options->crop, "Side of the network's input, pixels")
      ->check(CLI::Range(1, max_input_size));
  const std::map<std::string, Fit> fits{{fit_name(Fit::crop), Fit::crop},
                                        {fit_name(Fit::stretch), Fit::stretch}};
  command
      .add_option("--fit", options->fit,
                  "crop: --resize is the short side, as Resize(S); stretch: both sides, as Resize((S, S))")
      ->transform(CLI::CheckedTransformer(fits));
  command.add_option("--interpolation", options->interpolation, "bilinear or bicubic")
      ->check(CLI::IsMember({"bilinear", "bicubic"}));
  command.add_option("--mean", options->mean, "Of red, green and blue in 0…1, as 0.485,0.456,0.406")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(-1000.0, 1000.0));
  command.add_option("--std", options->std, "Of red, green and blue in 0…1, as 0.229,0.224,0.225")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(1e-6, 1000.0));
  command.add_option("--labels", options->labels_file, "class_indices.json with the classes");
  command.add_option("--threshold", options->threshold, "Suggested probability below which nothing is named")
      ->check(CLI::Range(0.0, 1.0));
  const std::map<std::string, Activation> activations{
      {activation_name(Activation::softmax), Activation::softmax},
      {activation_name(Activation::sigmoid), Activation::sigmoid}};
  command
      .add_option("--activation", options->activation,
                  "softmax: one class of all; sigmoid: multi-label, each class by itself")
      ->transform(CLI::CheckedTransformer(activations));
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_convert(*options, quiet); }; });
}

}  // namespace resnet
