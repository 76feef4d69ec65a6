#include "training/trainer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include "model/error.h"
#include "model/labels.h"
#include "model/model_file.h"
#include "training/augment.h"
#include "training/autocast.h"
#include "training/file.h"
#include "training/interrupt.h"
#include "training/loader.h"
#include "training/metrics.h"
#include "training/optimizer.h"
#include "training/picture_store.h"
#include "training/progress.h"
#include "training/run_state.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(), pattern, values...);
  return text.data();
}

at::Device resolve_device(const std::string& name) {
  if (name == "cpu" || (name == "auto" && !at::hasCUDA())) {
    return at::Device(at::kCPU);
  }
  if ((name == "cuda" || name == "auto") && at::hasCUDA()) {
    return at::Device(at::kCUDA);
  }
  throw Error(ErrorCode::device, "--device " + name + " cannot be used: " +
                                     (name == "cuda" ? "there is no GPU that this LibTorch can use"
                                                     : "expected auto, cpu or cuda"));
}

bool has_fast_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

/// The mean of a figure over pictures.
class Mean {
 public:
  void add(double value, std::size_t count) {
    sum_ += value * static_cast<double>(count);
    count_ += count;
  }
  double value() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  std::size_t count_ = 0;
};

class Trainer {
 public:
  Trainer(const TrainingJob& job, Console& console);
  TrainingResult run();

 private:
  struct Scores {
    double loss = 0, accuracy = 0;
  };

  void start();
  void load(ResNet& network, const NamedTensors& tensors, const std::filesystem::path& path, HeadPolicy head);
  void resume();
  void begin_from_output(const StartingPoint& start);
  void check_all_pictures();
  void note_failures(const Batch& batch, const PictureStore& store, std::vector<bool>& excluded);
  bool train_epoch(int epoch, EpochRow& row);
  Scores train_batch(Batch& batch, int size, double lr);
  std::optional<Scores> validate(const std::string& title);
  void update_ema();
  void end_epoch(EpochRow row);
  void save_best(double accuracy, int epoch);
  void save_last();
  at::Tensor to_input(Batch& batch, int size) const;
  at::Tensor to_target(const Batch& batch, const PictureStore& store) const;
  SampleWriter make_validation_writer();
  std::string title(const char* phase, int epoch) const;
  ResNet& evaluated() { return ema_.is_empty() ? network_ : ema_; }

  const TrainingJob& job_;
  const Recipe& recipe_;
  Console& console_;
  at::Device device_;
  bool bf16_;
  ModelInfo info_;
  ResNet network_{nullptr}, ema_{nullptr};
  std::unique_ptr<NetworkOptimizer> optimizer_;
  std::unique_ptr<PictureStore> train_, val_;
  std::vector<bool> train_excluded_, val_excluded_;
  std::map<std::filesystem::path, std::string> skipped_;
  at::Tensor mean_, inverse_std_;
  std::int64_t steps_ = 0;
  TrainingResult result_;
};

void use_channels_last(const ResNet& network) {
  for (const at::Tensor& parameter : network->parameters()) {
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

/// Each block starts as the identity: the last batch norm's scale is 0 (arXiv:1706.02677, 5.1).
void zero_last_norms(const ResNet& network) {
  const torch::NoGradGuard no_grad;
  const std::string last = network->architecture().block == BlockType::basic ? ".bn2.weight" : ".bn3.weight";
  for (const auto& item : network->named_parameters()) {
    if (item.key().ends_with(last)) {
      item.value().zero_();
    }
  }
}

Trainer::Trainer(const TrainingJob& job, Console& console)
    : job_(job), recipe_(job.recipe), console_(console), device_(resolve_device(job.device)) {
  bf16_ =
      recipe_.precision == "bf16" || (recipe_.precision == "auto" && (device_.is_cuda() || has_fast_bf16()));
  const auto budget = std::make_shared<std::atomic<std::ptrdiff_t>>(job.cache_bytes);
  // Validation must see what serving sees: its pictures are never scaled beforehand.
  val_ = std::make_unique<PictureStore>(job.data.val, 0, budget);
  train_ = std::make_unique<PictureStore>(job.data.train, recipe_.shrink, budget);
  val_excluded_.assign(job.data.val.size(), false);
  train_excluded_.assign(job.data.train.size(), false);
  info_.classes = job.data.classes;
  info_.preprocessing = Preprocessing::for_image_size(recipe_.image_size);
  const auto& mean = info_.preprocessing.mean;
  const auto& std = info_.preprocessing.std;
  mean_ = at::tensor({mean[0] * 255, mean[1] * 255, mean[2] * 255}).view({1, 3, 1, 1}).to(device_);
  inverse_std_ =
      at::tensor({1 / (std[0] * 255), 1 / (std[1] * 255), 1 / (std[2] * 255)}).view({1, 3, 1, 1}).to(device_);
}

std::string Trainer::title(const char* phase, int epoch) const {
  return std::string(phase) + format(" epoch[%d/%d]", epoch, recipe_.epochs);
}

void Trainer::load(ResNet& network, const NamedTensors& tensors, const std::filesystem::path& path,
                   HeadPolicy head) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.tensors = tensors;
  for (const std::string& warning : load_state_dict(network, checkpoint, head)) {
    console_.warn(warning);
  }
}

void Trainer::start() {
  torch::manual_seed(recipe_.seed);
  const StartingPoint start = find_start(job_);
  const auto classes = static_cast<int>(job_.data.classes.size());
  network_ = ResNet(start.architecture, classes);
  info_.architecture = start.architecture;
  const std::string name = start.architecture.name();
  const std::string file = start.checkpoint.path.string();
  RunState state;
  switch (start.kind) {
    case StartKind::random:
      if (recipe_.zero_init_residual) {
        zero_last_norms(network_);
      }
      console_.note(name + ", random weights");
      break;
    case StartKind::weights:
      load(network_, start.checkpoint.tensors, file, HeadPolicy::keep_when_different);
      console_.note(name + ", weights from " + file);
      break;
    case StartKind::output:
      load(network_, start.checkpoint.tensors, file, HeadPolicy::must_fit);
      console_.note("---Loading_Model---\n" + name + ", weights from " + file);
      break;
    case StartKind::last:
      state = read_run_state(start.checkpoint);
      load(network_, state.network, file, HeadPolicy::must_fit);
      console_.note("---Loading_Model---\n" + name + ", going on after epoch " +
                    std::to_string(state.rows.size()) + " from " + file);
      break;
  }
  use_channels_last(network_);
  network_->to(device_);
  optimizer_ = std::make_unique<NetworkOptimizer>(recipe_, network_);
  if (recipe_.ema > 0) {
    ema_ = ResNet(start.architecture, classes);
    load(ema_, state.ema.empty() ? network_->state_dict() : state.ema, file, HeadPolicy::must_fit);
    use_channels_last(ema_);
    ema_->to(device_);
  }
  if (start.kind == StartKind::last) {
    optimizer_->load_state(state.optimizer, file);
    result_.rows = std::move(state.rows);
    result_.best_accuracy = state.best_accuracy;
    result_.best_epoch = state.best_epoch;
    const auto batch = static_cast<std::int64_t>(recipe_.batch_size);
    steps_ = static_cast<std::int64_t>(result_.rows.size()) *
             ((static_cast<std::int64_t>(train_->samples().size()) + batch - 1) / batch);
    if (state.saved_recipe != to_json(recipe_)) {
      console_.warn("the settings differ from those that " + file +
                    " was written with; going on with the new ones");
    }
  } else {
    result_.best_accuracy = -1;
  }
  if (start.kind == StartKind::output) {
    begin_from_output(start);
  }
}

void Trainer::begin_from_output(const StartingPoint& start) {
  const auto recorded = start.info.metrics.find("val_accuracy");
  if (recorded != start.info.metrics.end() && recorded->is_number()) {
    result_.best_accuracy = recorded->get<double>();
  } else if (const std::optional<Scores> scores = validate("valid")) {
    result_.best_accuracy = scores->accuracy;
  }
  console_.note(format("best val_accuracy so far: %.4f", result_.best_accuracy));
}

void Trainer::note_failures(const Batch& batch, const PictureStore& store, std::vector<bool>& excluded) {
  for (const auto& [index, sentence] : batch.failures) {
    if (job_.strict) {
      throw Error(ErrorCode::format, sentence);
    }
    excluded[index] = true;
    if (skipped_.emplace(store.samples()[index].path, sentence).second) {
      console_.warn(sentence + "; skipped");
    }
  }
}

std::vector<std::size_t> not_excluded(const std::vector<bool>& excluded) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < excluded.size(); ++i) {
    if (!excluded[i]) {
      indices.push_back(i);
    }
  }
  return indices;
}

void Trainer::check_all_pictures() {
  const auto check = [&](PictureStore& store, std::vector<bool>& excluded) {
    const LoaderOptions options{job_.workers, 16, 8, 0};
    Loader loader(not_excluded(excluded), options, [&]() -> SampleWriter {
      return [&](std::size_t index, std::uint8_t*) { store.get(index); };
    });
    ProgressBar bar(console_, "reading pictures", excluded.size());
    while (const std::optional<Batch> batch = loader.next()) {
      note_failures(*batch, store, excluded);
      bar.advance(batch->indices.size());
      if (interrupted()) {
        return;
      }
    }
  };
  check(*val_, val_excluded_);
  check(*train_, train_excluded_);
}

at::Tensor Trainer::to_input(Batch& batch, int size) const {
  const auto n = static_cast<std::int64_t>(batch.indices.size());
  const at::Tensor pixels = at::from_blob(batch.bytes.data(), {n, size, size, 3}, at::kByte);
  at::Tensor input = pixels.permute({0, 3, 1, 2}).to(device_, at::kFloat);
  return input.sub_(mean_).mul_(inverse_std_);
}

at::Tensor Trainer::to_target(const Batch& batch, const PictureStore& store) const {
  std::vector<std::int64_t> labels;
  for (const std::size_t index : batch.indices) {
    labels.push_back(store.samples()[index].label);
  }
  return at::tensor(labels, at::kLong).to(device_);
}

std::int64_t count_correct(const at::Tensor& logits, const at::Tensor& target) {
  return logits.argmax(1).eq(target).sum().item<std::int64_t>();
}

Trainer::Scores Trainer::train_batch(Batch& batch, int size, double lr) {
  const at::Tensor target = to_target(batch, *train_);
  const at::Tensor input = to_input(batch, size);
  optimizer_->set_lr(lr);
  optimizer_->zero_grad();
  at::Tensor logits;
  {
    const Autocast autocast(device_.type(), bf16_);
    logits = network_->forward(input);
  }
  logits = logits.to(at::kFloat);
  const at::Tensor loss =
      at::cross_entropy_loss(logits, target, {}, at::Reduction::Mean, -100, recipe_.label_smoothing);
  loss.backward();
  optimizer_->step();
  ++steps_;
  if (!ema_.is_empty()) {
    update_ema();
  }
  const auto n = static_cast<double>(batch.indices.size());
  return {loss.item<double>(), static_cast<double>(count_correct(logits.detach(), target)) / n};
}

void Trainer::update_ema() {
  const torch::NoGradGuard no_grad;
  // A short memory at first, or the random start would linger.
  const auto steps = static_cast<double>(steps_);
  const double weight = 1 - std::min(recipe_.ema, (1 + steps) / (10 + steps));
  const NamedTensors from = network_->state_dict();
  const NamedTensors to = ema_->state_dict();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i].second.is_floating_point()) {
      to[i].second.lerp_(from[i].second, weight);
    } else {
      to[i].second.copy_(from[i].second);
    }
  }
}

bool Trainer::train_epoch(int epoch, EpochRow& row) {
  network_->train();
  std::vector<std::size_t> order = not_excluded(train_excluded_);
  const auto epoch_key = static_cast<std::uint64_t>(epoch);
  Random(recipe_.seed, epoch_key, ~std::uint64_t{0}).shuffle(order);
  const std::size_t pictures = order.size();
  Augmentation augmentation;
  augmentation.size = training_size(recipe_, epoch);
  augmentation.min_scale = recipe_.min_scale;
  augmentation.jitter = recipe_.jitter;
  const auto side = static_cast<std::size_t>(augmentation.size);
  const LoaderOptions options{job_.workers, recipe_.batch_size, 4, side * side * 3};
  Loader loader(std::move(order), options, [&]() -> SampleWriter {
    return [&](std::size_t index, std::uint8_t* out) {
      Random random(recipe_.seed, epoch_key, index);
      augment(*train_->get(index), augmentation, random, out);
    };
  });
  ProgressBar bar(console_, title("train", epoch + 1), pictures);
  const Clock::time_point start = Clock::now();
  Mean loss;
  Mean accuracy;
  std::size_t done = 0;
  while (std::optional<Batch> batch = loader.next()) {
    if (interrupted()) {
      return false;
    }
    note_failures(*batch, *train_, train_excluded_);
    const std::size_t n = batch->indices.size();
    done += n + batch->failures.size();
    bar.advance(n + batch->failures.size());
    if (n < 2) {
      continue;  // batch norm has no variance of one picture
    }
    row.lr = learning_rate(recipe_, epoch + (static_cast<double>(done) - static_cast<double>(n) / 2) /
                                                static_cast<double>(pictures));
    const Scores scores = train_batch(*batch, augmentation.size, row.lr);
    if (!std::isfinite(scores.loss)) {
      throw Error(ErrorCode::mismatch, "the loss became " + format("%f", scores.loss) + " in epoch " +
                                           std::to_string(epoch + 1) + "; lower --lr");
    }
    loss.add(scores.loss, n);
    accuracy.add(scores.accuracy, n);
    bar.set_title(title("train", epoch + 1) + format(" loss:%.3f", scores.loss));
  }
  row.seconds = seconds_since(start);
  row.pictures_per_second = static_cast<double>(done) / std::max(row.seconds, 1e-9);
  row.train_loss = loss.value();
  row.train_accuracy = accuracy.value();
  return true;
}

SampleWriter Trainer::make_validation_writer() {
  auto preprocessor = std::make_shared<Preprocessor>(info_.preprocessing, TensorType::u8, TensorLayout::hwc);
  return [this, preprocessor](std::size_t index, std::uint8_t* out) {
    const std::shared_ptr<const RgbPicture> picture = val_->get(index);
    preprocessor->run(as_image(*picture), out);
  };
}

std::optional<Trainer::Scores> Trainer::validate(const std::string& bar_title) {
  const torch::NoGradGuard no_grad;
  ResNet& network = evaluated();
  network->eval();
  const int size = info_.preprocessing.crop_size;
  const auto side = static_cast<std::size_t>(size);
  const std::vector<std::size_t> order = not_excluded(val_excluded_);
  const LoaderOptions options{job_.workers, std::min(recipe_.batch_size, 64), 4, side * side * 3};
  Loader loader(order, options, [&] { return make_validation_writer(); });
  ProgressBar bar(console_, bar_title, order.size());
  Mean loss;
  Mean accuracy;
  while (std::optional<Batch> batch = loader.next()) {
    if (interrupted()) {
      return std::nullopt;
    }
    note_failures(*batch, *val_, val_excluded_);
    bar.advance(batch->indices.size() + batch->failures.size());
    const std::size_t n = batch->indices.size();
    if (n == 0) {
      continue;
    }
    const Autocast autocast(device_.type(), bf16_);
    const at::Tensor input = to_input(*batch, size);
    at::Tensor logits = network->forward(input).to(at::kFloat);
    if (recipe_.flip_average) {
      logits = (logits + network->forward(input.flip({3})).to(at::kFloat)) / 2;
    }
    const at::Tensor target = to_target(*batch, *val_);
    loss.add(at::cross_entropy_loss(logits, target).item<double>(), n);
    accuracy.add(static_cast<double>(count_correct(logits, target)) / static_cast<double>(n), n);
  }
  return Scores{loss.value(), accuracy.value()};
}

void Trainer::save_best(double accuracy, int epoch) {
  result_.best_accuracy = accuracy;
  result_.best_epoch = epoch;
  ModelInfo info = info_;
  info.metrics = {
      {"val_accuracy", accuracy}, {"epoch", epoch}, {"val_pictures", not_excluded(val_excluded_).size()}};
  ResNet& network = evaluated();
  network->to(at::kCPU);
  write_labels(labels_path(job_.output), info.classes);
  save_model(job_.output, network, info);
  network->to(device_);
}

void Trainer::save_last() {
  RunState state;
  state.info = info_;
  state.recipe = recipe_;
  state.rows = result_.rows;
  state.best_accuracy = result_.best_accuracy;
  state.best_epoch = result_.best_epoch;
  state.network = network_->state_dict();
  state.optimizer = optimizer_->state();
  if (!ema_.is_empty()) {
    state.ema = ema_->state_dict();
  }
  for (NamedTensors* tensors : {&state.network, &state.optimizer, &state.ema}) {
    for (auto& entry : *tensors) {
      entry.second = entry.second.detach().to(at::kCPU).contiguous();
    }
  }
  save_run_state(last_path(job_.output), state);
}

void Trainer::end_epoch(EpochRow row) {
  console_.note(
      format("[epoch %d] train_loss: %.3f  val_accuracy: %.3f", row.epoch, row.train_loss, row.val_accuracy));
  result_.rows.push_back(row);
  if (row.val_accuracy > result_.best_accuracy) {
    save_best(row.val_accuracy, row.epoch);
  }
  save_last();
  replace_file(metrics_path(job_.output), to_csv(result_.rows));
}

TrainingResult Trainer::run() {
  at::set_num_threads(job_.threads);
  start();
  if (job_.strict) {
    check_all_pictures();
  }
  for (int epoch = static_cast<int>(result_.rows.size()); epoch < recipe_.epochs && !interrupted(); ++epoch) {
    EpochRow row;
    row.epoch = epoch + 1;
    if (!train_epoch(epoch, row)) {
      break;
    }
    const std::optional<Scores> scores = validate(title("valid", epoch + 1));
    if (!scores) {
      break;
    }
    if (not_excluded(train_excluded_).empty() || not_excluded(val_excluded_).empty()) {
      throw Error(ErrorCode::format, "none of the pictures could be read");
    }
    row.val_loss = scores->loss;
    row.val_accuracy = scores->accuracy;
    end_epoch(row);
  }
  result_.interrupted = interrupted() && static_cast<int>(result_.rows.size()) < recipe_.epochs;
  result_.skipped = skipped_.size();
  if (!result_.interrupted) {
    std::filesystem::remove(last_path(job_.output));
  }
  return result_;
}

}  // namespace

TrainingResult train(const TrainingJob& job, Console& console) { return Trainer(job, console).run(); }

}  // namespace resnet
