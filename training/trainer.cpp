#include "training/trainer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>

#include "model/error.h"
#include "model/file_io.h"
#include "model/labels.h"
#include "model/model_file.h"
#include "training/augment.h"
#include "training/interrupt.h"
#include "training/learner.h"
#include "training/loader.h"
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

/// Mean scores over batches.
class MeanScores {
 public:
  void add(const Scores& scores, std::size_t pictures) {
    const auto weight = static_cast<double>(pictures);
    sum_.loss += scores.loss * weight;
    sum_.accuracy += scores.accuracy * weight;
    weight_ += weight;
  }
  Scores value() const {
    const double weight = std::max(weight_, 1.0);
    return {sum_.loss / weight, sum_.accuracy / weight};
  }

 private:
  Scores sum_;
  double weight_ = 0;
};

class Trainer {
 public:
  Trainer(const TrainingJob& job, Console& console);
  TrainingResult run();

 private:
  void start();
  void load(ResNet& network, const NamedTensors& tensors, const std::filesystem::path& path, HeadPolicy head);
  void resume(RunState state, const std::string& file);
  void begin_from_output(const StartingPoint& start);
  void check_all_pictures();
  void note_failures(const Batch& batch, PictureStore& store);
  bool train_epoch(int epoch, EpochRow& row);
  std::optional<Scores> score(PictureStore& store, const std::string& title);
  bool test(BestEpoch& best, const std::string& title);
  void end_epoch(const EpochRow& row, const BestEpoch& best);
  void save_best();
  void save_last() const;
  SampleWriter make_writer(PictureStore& store) const;
  std::string title(const char* phase, int epoch) const;

  const TrainingJob& job_;
  const Recipe& recipe_;
  Console& console_;
  ModelInfo info_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<PictureStore> train_, val_, test_;
  std::map<std::filesystem::path, std::string> skipped_;
  TrainingResult result_;
};

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
    : job_(job), recipe_(job.recipe), console_(console) {
  const auto budget = std::make_shared<std::atomic<std::ptrdiff_t>>(job.cache_bytes);
  // Validation must see what serving sees: its pictures are never scaled beforehand.
  val_ = std::make_unique<PictureStore>(job.data.val, 0, budget);
  test_ = std::make_unique<PictureStore>(job.data.test, 0, budget);
  train_ = std::make_unique<PictureStore>(job.data.train, recipe_.shrink, budget);
  info_.classes = job.data.classes;
  info_.preprocessing = Preprocessing::for_image_size(recipe_.image_size);
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
  ResNet network(start.architecture, static_cast<int>(job_.data.classes.size()));
  info_.architecture = start.architecture;
  const std::string name = start.architecture.name();
  const std::string file = start.checkpoint.path.string();
  RunState state;
  switch (start.kind) {
    case StartKind::random:
      if (recipe_.zero_init_residual) {
        zero_last_norms(network);
      }
      console_.note(name + ", random weights");
      break;
    case StartKind::weights:
      load(network, start.checkpoint.tensors, file, HeadPolicy::keep_when_different);
      console_.note(name + ", weights from " + file);
      break;
    case StartKind::output:
      load(network, start.checkpoint.tensors, file, HeadPolicy::must_fit);
      console_.note("---Loading_Model---\n" + name + ", weights from " + file);
      break;
    case StartKind::last:
      state = read_run_state(start.checkpoint);
      load(network, state.network, file, HeadPolicy::must_fit);
      console_.note("---Loading_Model---\n" + name + ", going on after epoch " +
                    std::to_string(state.rows.size()) + " from " + file);
      break;
  }
  learner_ = std::make_unique<Learner>(recipe_, info_.preprocessing, network, job_.device, job_.threads);
  if (start.kind == StartKind::last) {
    resume(std::move(state), file);
  } else if (start.kind == StartKind::output) {
    begin_from_output(start);
  }
}

void Trainer::resume(RunState state, const std::string& file) {
  learner_->load_optimizer_state(state.optimizer, file);
  result_.rows = std::move(state.rows);
  result_.best = state.best;
  if (state.saved_recipe != to_json(recipe_)) {
    console_.warn("the settings differ from those that " + file +
                  " was written with; going on with the new ones");
  }
}

void Trainer::begin_from_output(const StartingPoint& start) {
  const nlohmann::json& metrics = start.info.metrics;
  // Of another number of pictures, the record is of other ones.
  const bool recorded = metrics.is_object() &&
                        metrics.value("val_pictures", nlohmann::json()) == val_->usable().size() &&
                        metrics.value("val_accuracy", nlohmann::json()).is_number();
  if (recorded) {
    result_.best.val_accuracy = metrics.at("val_accuracy").get<double>();
  } else if (const std::optional<Scores> scores = score(*val_, "valid")) {
    result_.best.val_accuracy = scores->accuracy;
  }
  console_.note(format("best val_accuracy so far: %.4f", result_.best.val_accuracy));
}

void Trainer::note_failures(const Batch& batch, PictureStore& store) {
  for (const auto& [index, sentence] : batch.failures) {
    if (job_.strict) {
      throw Error(ErrorCode::format, sentence);
    }
    store.exclude(index);
    if (skipped_.emplace(store.samples()[index].path, sentence).second) {
      console_.warn(sentence + "; skipped");
    }
  }
}

void Trainer::check_all_pictures() {
  for (PictureStore* store : {val_.get(), test_.get(), train_.get()}) {
    Loader loader(store->usable(), {job_.workers, 16, 8, 0}, [store]() -> SampleWriter {
      return [store](std::size_t index, std::uint8_t*) { store->get(index); };
    });
    ProgressBar bar(console_, "reading pictures", store->samples().size());
    while (const std::optional<Batch> batch = loader.next()) {
      note_failures(*batch, *store);
      bar.advance(batch->indices.size());
      if (interrupted()) {
        return;
      }
    }
  }
}

/// Takes the batch's pixels.
LabelledPixels labelled(Batch& batch, const PictureStore& store, int size) {
  LabelledPixels result{std::move(batch.bytes), {}, size};
  for (const std::size_t index : batch.indices) {
    result.labels.push_back(store.samples()[index].label);
  }
  return result;
}

bool Trainer::train_epoch(int epoch, EpochRow& row) {
  std::vector<std::size_t> order = train_->usable();
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
  MeanScores mean;
  std::size_t done = 0;
  while (std::optional<Batch> batch = loader.next()) {
    if (interrupted()) {
      return false;
    }
    note_failures(*batch, *train_);
    const std::size_t n = batch->indices.size();
    done += n + batch->failures.size();
    bar.advance(n + batch->failures.size());
    if (n < 2) {
      continue;  // batch norm has no variance of one picture
    }
    row.lr = learning_rate(recipe_, epoch + (static_cast<double>(done) - static_cast<double>(n) / 2) /
                                                static_cast<double>(pictures));
    LabelledPixels pixels = labelled(*batch, *train_, augmentation.size);
    const Scores scores = learner_->train(pixels, row.lr);
    if (!std::isfinite(scores.loss)) {
      throw Error(ErrorCode::mismatch, "the loss became " + format("%f", scores.loss) + " in epoch " +
                                           std::to_string(epoch + 1) + "; lower --lr");
    }
    mean.add(scores, n);
    bar.set_title(title("train", epoch + 1) + format(" loss:%.3f", scores.loss));
  }
  row.seconds = seconds_since(start);
  row.pictures_per_second = static_cast<double>(done) / std::max(row.seconds, 1e-9);
  row.train_loss = mean.value().loss;
  row.train_accuracy = mean.value().accuracy;
  return true;
}

SampleWriter Trainer::make_writer(PictureStore& store) const {
  auto preprocessor = std::make_shared<Preprocessor>(info_.preprocessing, TensorType::u8, TensorLayout::hwc);
  return [&store, preprocessor](std::size_t index, std::uint8_t* out) {
    const std::shared_ptr<const RgbPicture> picture = store.get(index);
    preprocessor->run(as_image(*picture), out);
  };
}

std::optional<Scores> Trainer::score(PictureStore& store, const std::string& bar_title) {
  const int size = info_.preprocessing.crop_size;
  const auto side = static_cast<std::size_t>(size);
  const LoaderOptions options{job_.workers, std::min(recipe_.batch_size, 64), 4, side * side * 3};
  Loader loader(store.usable(), options, [&] { return make_writer(store); });
  ProgressBar bar(console_, bar_title, store.usable().size());
  MeanScores mean;
  while (std::optional<Batch> batch = loader.next()) {
    if (interrupted()) {
      return std::nullopt;
    }
    note_failures(*batch, store);
    const std::size_t n = batch->indices.size();
    if (n > 0) {
      LabelledPixels pixels = labelled(*batch, store, size);
      mean.add(learner_->evaluate(pixels), n);
    }
    bar.advance(n + batch->failures.size());
  }
  return mean.value();
}

/// What the network of a new best epoch says of the pictures that choose nothing. @return false: interrupted
bool Trainer::test(BestEpoch& best, const std::string& bar_title) {
  if (test_->usable().empty()) {
    return true;
  }
  const std::optional<Scores> scores = score(*test_, bar_title);
  if (scores) {
    best.test_accuracy = scores->accuracy;
  }
  return scores.has_value();
}

void Trainer::save_best() {
  const BestEpoch& best = result_.best;
  ModelInfo info = info_;
  info.metrics = {
      {"val_accuracy", best.val_accuracy}, {"epoch", best.epoch}, {"val_pictures", val_->usable().size()}};
  if (best.test_accuracy) {
    info.metrics["test_accuracy"] = *best.test_accuracy;
    info.metrics["test_pictures"] = test_->usable().size();
  }
  write_labels(labels_path(job_.output), info.classes);
  save_model(job_.output, learner_->network(), info);
}

void Trainer::save_last() const {
  RunState state;
  state.info = info_;
  state.recipe = recipe_;
  state.rows = result_.rows;
  state.best = result_.best;
  state.network = learner_->network()->state_dict();
  state.optimizer = learner_->optimizer_state();
  save_run_state(last_path(job_.output), state);
}

/// @param best this epoch, or the best before it
void Trainer::end_epoch(const EpochRow& row, const BestEpoch& best) {
  console_.note(
      format("[epoch %d] train_loss: %.3f  val_accuracy: %.3f", row.epoch, row.train_loss, row.val_accuracy));
  result_.rows.push_back(row);
  result_.best = best;
  if (best.epoch == row.epoch) {
    save_best();
  }
  save_last();
  const std::string csv = to_csv(result_.rows);
  write_file_atomically(metrics_path(job_.output), [&](FileWriter& file) { file.write(csv); });
}

TrainingResult Trainer::run() {
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
    const std::optional<Scores> scores = score(*val_, title("valid", epoch + 1));
    if (!scores) {
      break;
    }
    if (train_->usable().empty() || val_->usable().empty()) {
      throw Error(ErrorCode::format, "none of the pictures could be read");
    }
    row.val_loss = scores->loss;
    row.val_accuracy = scores->accuracy;
    BestEpoch best = result_.best;
    if (row.val_accuracy > best.val_accuracy) {
      best = {row.epoch, row.val_accuracy, std::nullopt};
      if (!test(best, title("test", epoch + 1))) {
        break;
      }
    }
    end_epoch(row, best);
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
