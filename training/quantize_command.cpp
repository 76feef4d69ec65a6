#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>

#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <CLI/CLI.hpp>

#include "model/error.h"
#include "model/executor.h"
#include "model/model_file.h"
#include "training/calibration.h"
#include "training/class_match.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/file.h"
#include "training/format.h"
#include "training/image_folder.h"
#include "training/interrupt.h"
#include "training/picture_batches.h"

namespace resnet {
namespace {

constexpr int kBatchSize = 8;

struct QuantizeOptions {
  std::filesystem::path model, data, output;
  CalibrationMethod method = CalibrationMethod::mse;
  int pictures = 256;
  double max_loss = 0.5;  ///< points of accuracy
};

/// At most `count` of the samples, as many of each class as can be, from the whole of its list.
std::vector<std::filesystem::path> spread(const std::vector<Sample>& samples, std::size_t classes,
                                          std::size_t count) {
  std::vector<std::vector<std::size_t>> by_class(classes);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    by_class[static_cast<std::size_t>(samples[i].label)].push_back(i);
  }
  std::vector<std::filesystem::path> result;
  for (std::size_t label = 0; label < classes; ++label) {
    const std::vector<std::size_t>& all = by_class[label];
    const std::size_t share = count / classes + (label < count % classes ? 1 : 0);
    const std::size_t taken = std::min(share, all.size());
    for (std::size_t i = 0; i < taken; ++i) {
      result.push_back(samples[all[i * all.size() / taken]].path);
    }
  }
  return result;
}

/// A model on its way to 8 bits.
class Quantizer {
 public:
  Quantizer(const QuantizeOptions& options, Console& console)
      : options_(options), console_(console), model_(load_model(options.model)) {
    for (const std::string& warning : model_.warnings) {
      console.warn(warning);
    }
    if (model_.info.quantization) {
      throw Error(ErrorCode::mismatch,
                  options.model.string() + " is quantized already; give the model that it was made of");
    }
    if (model_.num_classes() == 0) {
      throw Error(ErrorCode::mismatch,
                  options.model.string() + " has no head (fc), so what 8 bits lose cannot be measured");
    }
  }

  /// Chooses the ranges of the activations. @return false when Ctrl-C ended it
  bool calibrate(const TrainingData& data);
  /// Measures on the held-out pictures. @return false when Ctrl-C ended it
  bool measure(const TrainingData& data);

  const QuantizationAccuracy& accuracy() const { return accuracy_; }
  void save() const;

 private:
  /// In batches of bytes, which executors normalise, or of numbers, which are normalised already.
  bool for_each(const std::vector<std::filesystem::path>& pictures, at::ScalarType type,
                const std::string& title, const OnBatch& on_batch) {
    const int size = model_.info.preprocessing.crop_size;
    at::Tensor batch =
        at::empty({kBatchSize, 3, size, size}, at::TensorOptions(type), at::MemoryFormat::ChannelsLast);
    return for_each_batch(pictures, model_.info.preprocessing, batch, title, console_, on_batch,
                          [this](std::size_t, const std::string& why) { console_.warn(why + "; skipped"); });
  }

  const QuantizeOptions& options_;
  Console& console_;
  Model model_;
  Quantization quantization_;
  QuantizationAccuracy accuracy_;
};

bool Quantizer::calibrate(const TrainingData& data) {
  const auto pictures = spread(data.train, data.classes.size(), static_cast<std::size_t>(options_.pictures));
  Calibrator calibrator(lower(model_.network));
  const OnBatch observe = [&](const std::vector<std::size_t>& indices, at::Tensor& batch) {
    calibrator.observe(batch);
    quantization_.pictures += static_cast<int>(indices.size());
  };
  if (!for_each(pictures, at::kFloat, "calibrate", observe)) {
    return false;
  }
  if (quantization_.pictures == 0) {
    throw Error(ErrorCode::format,
                "none of the pictures to calibrate with in " + options_.data.string() + " could be read");
  }
  quantization_.method = method_name(options_.method);
  quantization_.output_scale = calibrator.output_scales(options_.method);
  return true;
}

bool Quantizer::measure(const TrainingData& data) {
  const ModelInfo& info = model_.info;
  const std::vector<std::size_t> matched = match_classes(data.classes, options_.data, info.classes,
                                                         static_cast<std::size_t>(model_.num_classes()));
  std::vector<std::filesystem::path> pictures;
  for (const Sample& sample : data.val) {
    pictures.push_back(sample.path);
  }
  ExecutorOptions options{.device = "cpu", .precision = Precision::fp32};
  options.preprocessing = info.preprocessing;
  options.quantization = &quantization_;
  const auto fp32 = make_executor(model_.network, options);
  options.precision = Precision::int8;
  const auto int8 = make_executor(model_.network, options);
  int total = 0, fp32_right = 0, int8_right = 0, same = 0;
  const OnBatch compare = [&](const std::vector<std::size_t>& indices, at::Tensor& batch) {
    const at::Tensor truth = fp32->run(batch).logits.argmax(1);
    const at::Tensor guess = int8->run(batch).logits.argmax(1);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const auto label =
          static_cast<std::int64_t>(matched[static_cast<std::size_t>(data.val[indices[i]].label)]);
      const auto first = truth[at].item<std::int64_t>(), quantized = guess[at].item<std::int64_t>();
      ++total;
      fp32_right += first == label ? 1 : 0;
      int8_right += quantized == label ? 1 : 0;
      same += first == quantized ? 1 : 0;
    }
  };
  if (!for_each(pictures, at::kByte, "measure", compare)) {
    return false;
  }
  if (total == 0) {
    throw Error(ErrorCode::format,
                "none of the pictures to measure with in " + options_.data.string() + " could be read");
  }
  const auto part = [total](int count) { return static_cast<double>(count) / total; };
  accuracy_ = {part(fp32_right), part(int8_right), part(same), total};
  return true;
}

void Quantizer::save() const {
  ModelInfo info = model_.info;
  info.quantization = quantization_;
  info.quantization->accuracy = accuracy_;
  save_model(options_.output, model_.network, info);
}

int run_quantize(const QuantizeOptions& options, bool quiet) {
  Console console(quiet);
  check_writable(options.output);
  Quantizer quantizer(options, console);
  const TrainingData data = open_training_data(options.data);
  for (const auto& path : data.not_pictures) {
    console.warn(path.string() + " is not a picture; skipped");
  }
  if (!quantizer.calibrate(data) || !quantizer.measure(data)) {
    return kInterruptedExitCode;
  }
  const std::string text = accuracy_text(quantizer.accuracy());
  if (quantizer.accuracy().loss() > options.max_loss) {
    throw Error(ErrorCode::mismatch, "8 bits lose too much: " + text + ", where at most " +
                                         format("%g", options.max_loss) +
                                         " points are allowed; nothing was written (--max-loss raises that, "
                                         "another --method or more --pictures may lose less)");
  }
  quantizer.save();
  std::printf("%s\n", text.c_str());
  console.note("wrote " + options.output.string());
  return 0;
}

}  // namespace

void add_quantize_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "quantize", "Make an 8-bit model of one: ranges from some pictures, what it loses measured on others");
  const auto options = std::make_shared<QuantizeOptions>();
  command.add_option("MODEL", options->model, "Model file: .pth or .safetensors")->required();
  command
      .add_option(
          "DATA", options->data,
          "Folder with train/ and val/, or with a sub-folder per class, of which a tenth is to measure with")
      ->required();
  command.add_option("--output,-o", options->output, "Model file to write, .safetensors")->required();
  std::map<std::string, CalibrationMethod> methods;
  for (const auto method :
       {CalibrationMethod::min_max, CalibrationMethod::percentile, CalibrationMethod::mse}) {
    methods.emplace(method_name(method), method);
  }
  command
      .add_option("--method", options->method,
                  "How ranges are chosen: min-max, percentile (99.99 %), mse (least squared error)")
      ->transform(CLI::CheckedTransformer(methods))
      ->default_str(method_name(options->method));
  command.add_option("--pictures", options->pictures, "Pictures to choose ranges by, at most")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      .add_option("--max-loss", options->max_loss,
                  "Points of accuracy, of 100, that 8 bits may lose; nothing is written when they lose more")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_quantize(*options, quiet); }; });
}

}  // namespace resnet
