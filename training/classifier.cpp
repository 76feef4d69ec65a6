#include "training/classifier.h"

#include <algorithm>
#include <span>

#include <ATen/TensorOperators.h>
#include <ATen/ops/flip.h>

#include "model/activation.h"
#include "model/error.h"
#include "model/executor.h"
#include "model/model_file.h"

namespace resnet {
namespace {

Precision parse_precision(const std::string& name) {
  if (name == "auto") return Precision::automatic;
  if (name == "fp32") return Precision::fp32;
  if (name == "bf16") return Precision::bf16;
  if (name == "fp16") return Precision::fp16;
  if (name == "int8") return Precision::int8;
  throw Error(ErrorCode::unsupported,
              "--precision " + name + " is unknown; expected auto, fp32, bf16, fp16 or int8");
}

std::vector<float> make_probabilities(const ModelInfo& info, std::span<const float> logits) {
  std::vector<float> probabilities(logits.size());
  if (!activate(info.activation, info.temperature, logits, probabilities)) {
    throw Error(ErrorCode::device, "the network's output is not finite");
  }
  return probabilities;
}

std::span<const float> row_of(const at::Tensor& logits, std::size_t row) {
  const auto classes = static_cast<std::size_t>(logits.size(1));
  return {logits.const_data_ptr<float>() + row * classes, classes};
}

}  // namespace

struct Classifier::Parts {
  ClassifierOptions options;
  Console& console;
  ModelInfo info;
  std::vector<std::string> classes;
  std::unique_ptr<Executor> executor;

  std::vector<Result> classify(at::Tensor& pictures) const;
};

Classifier::Classifier(const ClassifierOptions& options, Console& console)
    : parts_(new Parts{options, console, {}, {}, nullptr}) {
  Model model = load_model(options.model, options.labels_file);
  for (const std::string& warning : model.warnings) {
    console.warn(warning);
  }
  if (model.num_classes() == 0) {
    throw Error(ErrorCode::mismatch, options.model.string() + " has no head (fc), so it cannot classify");
  }
  parts_->info = std::move(model.info);
  parts_->classes = parts_->info.classes;
  for (int i = static_cast<int>(parts_->classes.size()); i < model.num_classes(); ++i) {
    parts_->classes.push_back(std::to_string(i));
  }
  ExecutorOptions executor;
  executor.device = options.device;
  executor.precision = parse_precision(options.precision);
  executor.threads = options.threads;
  executor.release_weights = true;
  parts_->executor = make_executor(model.network, with_model(executor, parts_->info));
}

Classifier::~Classifier() = default;

const ModelInfo& Classifier::info() const { return parts_->info; }
const std::vector<std::string>& Classifier::classes() const { return parts_->classes; }
bool Classifier::has_class_names() const { return !parts_->info.classes.empty(); }
std::string Classifier::description() const { return parts_->executor->description(); }

std::vector<Classifier::Result> Classifier::Parts::classify(at::Tensor& pictures) const {
  at::Tensor logits = executor->run(pictures).logits;
  if (options.flip_average) {
    const at::Tensor plain = logits.clone();  // the executor's own memory is written again
    pictures.copy_(pictures.flip({3}));
    logits = (plain + executor->run(pictures).logits) / 2;
  }
  std::vector<Result> results(static_cast<std::size_t>(pictures.size(0)));
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::span<const float> row = row_of(logits, i);
    results[i] = {{row.begin(), row.end()}, make_probabilities(info, row)};
  }
  return results;
}

bool Classifier::run(const std::vector<std::filesystem::path>& pictures, const std::string& title,
                     const OnResult& on_result, const OnFailure& on_failure) {
  const Preprocessing& preprocessing = parts_->info.preprocessing;
  const int batch_size = std::max(1, std::min(parts_->options.batch_size, static_cast<int>(pictures.size())));
  at::Tensor input = parts_->executor->make_input(batch_size, preprocessing.crop_size);
  const OnBatch on_batch = [&](const std::vector<std::size_t>& indices, at::Tensor& batch) {
    const std::vector<Result> results = parts_->classify(batch);
    for (std::size_t i = 0; i < results.size(); ++i) {
      on_result(indices[i], results[i]);
    }
  };
  return for_each_batch(pictures, preprocessing, input, title, parts_->console, on_batch, on_failure);
}

}  // namespace resnet
