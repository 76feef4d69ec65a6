#include "training/trainer.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include <ATen/Context.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "model/error.h"
#include "model/resnet.h"
#include "training/class_balance.h"
#include "training/confidence.h"
#include "training/first_network.h"
#include "training/format.h"
#include "training/interrupt.h"
#include "training/learner.h"
#include "training/picture_input.h"
#include "training/progress.h"
#include "training/run_files.h"
#include "training/run_state.h"
#include "training/speed_probe.h"
#include "training/time_budget.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Trainer {
 public:
  Trainer(const TrainingJob& job, Console& console);
  TrainingResult run();

 private:
  void start();
  std::unique_ptr<Learner> make_learner(const ResNet& network, const Recipe& recipe,
                                        const ProcessGroup& group) const;
  void resume(RunState state, const std::string& file);
  void begin_from_output(const StartingPoint& start);
  void check_all_pictures();
  void note_failures(const Batch& batch, PictureStore& store);
  void plan_time();
  std::vector<std::size_t> order_of(int epoch) const;
  bool run_epoch(int epoch);
  struct Agreement;
  Agreement agree(std::size_t pictures) const;
  bool train_epoch(int epoch, EpochRow& row);
  void train_batch(Batch& batch, bool led, std::size_t all, int epoch, double at, int size);
  std::optional<at::Tensor> classify(PictureStore& store, const std::string& title, bool flip_average);
  Scores score(const at::Tensor& logits, const PictureStore& store) const;
  bool take_if_best(const EpochRow& row, const at::Tensor& logits);
  void end_epoch(const EpochRow& row);
  bool goes_on() const;
  void save_best(const at::Tensor& served);
  void save_last();
  void save_report() const;
  double seconds() const { return seconds_before_ + seconds_since(start_); }
  std::string title(const char* phase, int epoch) const;

  const TrainingJob& job_;
  const ProcessGroup& group_;
  Recipe recipe_;  ///< the job's; with `minutes` its epochs are found out
  Console& console_;
  ModelInfo info_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<PictureStore> train_, val_, test_;
  nlohmann::json pictures_;  ///< digests of what they are, which stays
  std::map<std::filesystem::path, std::string> skipped_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point saved_ = start_;     ///< the state of the run
  double seconds_before_ = 0;            ///< that the run took before it was resumed
  double temperature_ = 1;               ///< of the best network
  std::optional<TimeBudget> budget_;     ///< with `minutes`
  int first_epoch_ = 1;                  ///< of this process
  PartOfEpoch part_;                     ///< that is done of the epoch at hand
  at::Tensor val_logits_, test_logits_;  ///< of the best network, as classify() gives them
  RunFiles files_;
  TrainingResult result_;
};

/// What the logits of classify() say of the pictures that could be read.
std::vector<Prediction> predictions_of(const at::Tensor& logits, const PictureStore& store) {
  std::vector<Prediction> result;
  const auto classes = static_cast<std::size_t>(logits.size(1));
  const auto* row = logits.const_data_ptr<float>();
  for (const Sample& sample : store.samples()) {
    if (!std::isnan(*row)) {
      result.push_back({sample.path, static_cast<std::size_t>(sample.label), {row, row + classes}});
    }
    row += classes;
  }
  return result;
}

Trainer::Trainer(const TrainingJob& job, Console& console)
    : job_(job), group_(job.group), recipe_(job.recipe), console_(console), files_(job.output) {
  const auto cache = std::make_shared<PictureCache>(job.cache_bytes, job.disk_cache_bytes);
  // Validation must see what serving sees: its pictures are never scaled beforehand.
  val_ = std::make_unique<PictureStore>(job.data.val, 0, false, cache);
  test_ = std::make_unique<PictureStore>(job.data.test, 0, false, cache);
  train_ = std::make_unique<PictureStore>(job.data.train, recipe_.shrink, recipe_.scaled_jpeg, cache);
  info_.classes = job.data.classes;
  info_.preprocessing = Preprocessing::for_image_size(recipe_.image_size);
}

std::string Trainer::title(const char* phase, int epoch) const {
  return std::string(phase) + format(" epoch[%d/%d]", epoch, recipe_.epochs);
}

std::unique_ptr<Learner> Trainer::make_learner(const ResNet& network, const Recipe& recipe,
                                               const ProcessGroup& group) const {
  std::vector<float> weights;
  if (recipe.balance == "loss") weights = balanced_weights(train_->samples(), job_.data.classes.size());
  return std::make_unique<Learner>(recipe, info_.preprocessing, network, weights, job_.device, job_.threads,
                                   group);
}

void Trainer::start() {
  at::manual_seed(recipe_.seed);
  // Every process shuffles and shares out by itself.
  pictures_ = {{"train", digest(*train_)}, {"val", digest(*val_)}, {"test", digest(*test_)}};
  if (!group_.same(pictures_.dump())) {
    throw Error(ErrorCode::mismatch,
                "the processes do not see the same pictures; each needs a copy of the data");
  }
  const StartingPoint start = find_start(job_);
  info_.architecture = start.architecture;
  const ResNet network =
      first_network(start, static_cast<int>(job_.data.classes.size()), recipe_.zero_init_residual, console_);
  // Another kind of processor may make other random numbers of the seed.
  for (const auto& item : network->state_dict()) group_.share_first(item.second);
  learner_ = make_learner(network, recipe_, group_);
  if (start.kind == StartKind::last) {
    resume(read_run_state(start.checkpoint), start.checkpoint.path.string());
  } else if (start.kind == StartKind::output) {
    begin_from_output(start);
  }
}

void Trainer::resume(RunState state, const std::string& file) {
  learner_->load_state(state.learner, file);
  files_.go_on();
  result_.rows = std::move(state.rows);
  result_.best = state.best;
  first_epoch_ = static_cast<int>(result_.rows.size()) + 1;
  part_ = state.part;
  seconds_before_ = state.seconds;
  val_logits_ = state.val;
  test_logits_ = state.test;
  temperature_ = state.temperature;
  console_.note("---Loading_Model---\n" + info_.architecture.name() + ", going on after epoch " +
                std::to_string(result_.rows.size()) + " from " + file);
  // How many epochs the time is enough for was found out before.
  if (recipe_.minutes > 0) recipe_.epochs = state.recipe.value("epochs", recipe_.epochs);
  if (state.recipe != to_json(recipe_)) {
    console_.warn("the settings differ from those that " + file +
                  " was written with; going on with the new ones");
  }
  if (state.pictures == pictures_) return;
  // Places in an epoch's order and in the logits are those of other pictures.
  console_.warn("the pictures differ from those that " + file +
                " was written with; the epoch at hand begins anew with the new ones");
  part_ = {};
  val_logits_ = test_logits_ = at::Tensor();
}

void Trainer::begin_from_output(const StartingPoint& start) {
  const nlohmann::json& metrics = start.info.metrics;
  // Of another number of pictures, the record is of other ones.
  const bool recorded = metrics.is_object() &&
                        metrics.value("val_pictures", nlohmann::json()) == val_->usable().size() &&
                        metrics.value("val_accuracy", nlohmann::json()).is_number();
  if (recorded) {
    result_.best.val_accuracy = metrics.at("val_accuracy").get<double>();
  } else if (const std::optional<at::Tensor> logits = classify(*val_, "valid", recipe_.flip_average)) {
    const Scores scores = score(*logits, *val_);
    result_.best.val_accuracy = scores.accuracy;
    result_.best.val_loss = scores.loss;
  } else {
    return;  // interrupted
  }
  console_.note(format("best val_accuracy so far: %.4f", result_.best.val_accuracy));
}

void Trainer::note_failures(const Batch& batch, PictureStore& store) {
  for (const auto& [turn, sentence] : batch.failures) {
    if (job_.strict) {
      throw Error(ErrorCode::format, sentence);
    }
    const std::size_t index = turn % store.samples().size();
    store.exclude(index);
    if (skipped_.emplace(store.samples()[index].path, sentence).second) {
      console_.warn(sentence + "; skipped");
    }
  }
}

void Trainer::check_all_pictures() {
  for (PictureStore* store : {val_.get(), test_.get(), train_.get()}) {
    Loader loader = load_files(*store, store->usable(), job_.workers);
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

// A network of its own is trained for a few steps, with the pictures that the run will see.
void Trainer::plan_time() {
  console_.note("measuring how long an epoch takes");
  const double part_of_the_time = 0.01;
  // Each process by itself, with as many pictures as it has in a step, at the same time as the others.
  const ProcessGroup apart = group_.apart();
  Recipe recipe = recipe_;
  recipe.batch_size = std::max(2, recipe_.batch_size / static_cast<int>(group_.size()));
  const std::unique_ptr<Learner> learner = make_learner(learner_->network(), recipe, apart);
  const Costs costs = measure_costs(*learner, *train_, *val_, recipe, info_.preprocessing, job_.workers,
                                    recipe_.minutes * 60 * part_of_the_time);
  budget_.emplace(costs, recipe_, group_);
  budget_->plan(static_cast<int>(result_.rows.size()), seconds());
  console_.note(format("%g minutes are enough for %d epochs", recipe_.minutes, recipe_.epochs));
}

std::vector<std::size_t> Trainer::order_of(int epoch) const {
  Random random(recipe_.seed, static_cast<std::uint64_t>(epoch), ~std::uint64_t{0});
  return recipe_.balance == "sampling" ? balanced_order(train_->samples(), job_.data.classes.size(), random)
                                       : shuffled_order(train_->samples(), random);
}

/// @param led its first picture is another process's, for the second to be mixed with
/// @param all pictures of the batch, in all processes
/// @param at the middle of the batch, in epochs since the start
void Trainer::train_batch(Batch& batch, bool led, std::size_t all, int epoch, double at, int size) {
  LabelledPixels pixels = labelled(batch, *train_, size);
  // A key that no picture has.
  Random random(recipe_.seed, static_cast<std::uint64_t>(epoch), ~std::uint64_t{1} - part_.pictures);
  mix(pixels, recipe_, random);
  if (led) drop_first(pixels);
  const Scores scores = learner_->train(pixels, all, learning_rate(recipe_, at));
  if (!std::isfinite(scores.loss)) {
    throw Error(ErrorCode::mismatch,
                "the loss became " + format("%f", scores.loss) + " in epoch " + std::to_string(epoch + 1) +
                    "; lower --lr, raise --warmup-epochs, or set --clip-norm 1 or --precision fp32");
  }
  const auto weight = static_cast<double>(all);
  part_.last_loss = scores.loss;
  part_.loss += scores.loss * weight;
  part_.correct += scores.accuracy * weight;
  part_.counted += weight;
}

/// What the processes tell each other before a batch.
struct Trainer::Agreement {
  std::size_t pictures = 0;  ///< that could be read, of all
  bool stop = false;         ///< one of them was interrupted
  bool save = false;         ///< it is time to
};

Trainer::Agreement Trainer::agree(std::size_t pictures) const {
  const bool save = group_.first() && seconds_since(saved_) > job_.save_seconds;
  const at::Tensor sums =
      at::tensor({static_cast<std::int64_t>(pictures), static_cast<std::int64_t>(interrupted()),
                  static_cast<std::int64_t>(save)},
                 at::kLong);
  group_.sum(sums);
  const auto* sum = sums.const_data_ptr<std::int64_t>();
  return {static_cast<std::size_t>(sum[0]), sum[1] > 0, sum[2] > 0};
}

/// Trains what is left of the epoch. @return false: interrupted
bool Trainer::train_epoch(int epoch, EpochRow& row) {
  std::vector<std::size_t> order = order_of(epoch);
  const auto pictures = static_cast<double>(order.size());
  const int size = training_size(recipe_, epoch);
  ProgressBar bar(console_, title("train", epoch + 1), order.size());
  bar.advance(part_.pictures);
  order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(part_.pictures));
  const Batches batches = batches_of(order, static_cast<std::size_t>(recipe_.batch_size));
  const std::size_t least = learner_->least_share();
  const Batches own = share_of(batches, group_.share(), least);
  // Pictures are mixed with those before them, so that the pairs are the same however many processes there
  // are.
  const bool mixes = recipe_.mixup > 0 || recipe_.cutmix > 0;
  const Batches parts = share_of(batches, group_.share(), least, mixes ? 1 : 0);
  Loader loader = load_crops(*train_, recipe_, parts, epoch, size, job_.workers);
  const double seconds_before = part_.seconds;
  const Clock::time_point start = Clock::now();
  for (std::size_t number = 0; std::optional<Batch> batch = loader.next(); ++number) {
    const std::size_t turns = batches[number].size();
    note_failures(*batch, *train_);
    const bool led = parts[number].size() > own[number].size() && !batch->indices.empty() &&
                     batch->indices.front() == parts[number].front();
    const std::size_t n = batch->indices.size() - (led ? 1 : 0);
    const Agreement agreed = agree(n < least ? 0 : n);
    if (agreed.stop) return false;
    if (agreed.save) save_last();
    const double middle = static_cast<double>(part_.pictures) + static_cast<double>(turns) / 2;
    // Batch norm has no variance of one picture.
    if (agreed.pictures > 1)
      train_batch(*batch, led, agreed.pictures, epoch, epoch + middle / pictures, size);
    part_.pictures += turns;
    part_.seconds = seconds_before + seconds_since(start);
    bar.advance(turns);
    bar.set_title(title("train", epoch + 1) + format(" loss:%.3f", part_.last_loss));
  }
  row.lr = learning_rate(recipe_, epoch + 1);
  row.seconds = part_.seconds;
  row.pictures_per_second = pictures / std::max(row.seconds, 1e-9);
  row.train_loss = part_.loss / std::max(part_.counted, 1.0);
  row.train_accuracy = part_.correct / std::max(part_.counted, 1.0);
  return true;
}

/// [pictures of the store, classes] logits of the network as it would be saved now, NaN where a picture could
/// not be read. Nothing: interrupted.
std::optional<at::Tensor> Trainer::classify(PictureStore& store, const std::string& bar_title,
                                            bool flip_average) {
  const std::vector<std::size_t> usable = store.usable();
  const Batches batches = batches_of(usable, static_cast<std::size_t>(std::min(recipe_.batch_size, 64)));
  Loader loader = load_views(store, info_.preprocessing, share_of(batches, group_.share(), 1), job_.workers);
  ProgressBar bar(console_, bar_title, usable.size());
  const auto samples = static_cast<std::int64_t>(store.samples().size());
  const at::Tensor found = at::zeros({samples, static_cast<std::int64_t>(info_.classes.size())});
  const at::Tensor unread = at::zeros(samples, at::kInt);
  learner_->begin_evaluation();
  bool stopped = false;
  for (std::size_t number = 0; std::optional<Batch> batch = loader.next(); ++number) {
    stopped = interrupted();
    if (stopped) break;
    note_failures(*batch, store);
    for (const auto& [index, why] : batch->failures) unread[static_cast<std::int64_t>(index)] = 1;
    if (!batch->indices.empty()) {
      LabelledPixels pixels = labelled(*batch, store, info_.preprocessing.crop_size);
      const at::Tensor logits = learner_->evaluate(pixels, flip_average);
      for (std::size_t i = 0; i < batch->indices.size(); ++i)
        found[static_cast<std::int64_t>(batch->indices[i])] = logits[static_cast<std::int64_t>(i)];
    }
    bar.advance(batches[number].size());
  }
  if (group_.any(stopped)) return std::nullopt;
  group_.sum(found);
  group_.sum(unread);
  at::Tensor result = at::full_like(found, std::numeric_limits<float>::quiet_NaN());
  for (const std::size_t index : usable) {
    if (unread.const_data_ptr<int>()[index] != 0) {
      store.exclude(index);
    } else {
      result[static_cast<std::int64_t>(index)] = found[static_cast<std::int64_t>(index)];
    }
  }
  return result;
}

Scores Trainer::score(const at::Tensor& logits, const PictureStore& store) const {
  std::vector<std::int64_t> rows, labels;
  for (const std::size_t index : store.usable()) {
    rows.push_back(static_cast<std::int64_t>(index));
    labels.push_back(store.samples()[index].label);
  }
  if (rows.empty()) throw Error(ErrorCode::format, "none of the pictures could be read");
  return scores_of(logits.index_select(0, at::tensor(rows, at::kLong)), labels);
}

/// @param served what the network says of the validation pictures themselves
void Trainer::save_best(const at::Tensor& served) {
  const BestEpoch& best = result_.best;
  ModelInfo info = info_;
  info.metrics = {
      {"val_accuracy", best.val_accuracy}, {"epoch", best.epoch}, {"val_pictures", val_->usable().size()}};
  if (best.test_accuracy) {
    info.metrics["test_accuracy"] = *best.test_accuracy;
    info.metrics["test_pictures"] = test_->usable().size();
  }
  const ConfidenceFit fit = fit_confidence(predictions_of(served, *val_));
  info.temperature = temperature_ = fit.temperature;
  if (fit.threshold) info.threshold = fit.threshold->probability;
  if (group_.first()) files_.save_network(learner_->network(), info);
}

void Trainer::save_last() {
  RunState state;
  state.info = info_;
  state.recipe = to_json(recipe_);
  state.rows = result_.rows;
  state.best = result_.best;
  state.part = part_;
  state.seconds = seconds();
  state.temperature = temperature_;
  state.pictures = pictures_;
  state.learner = learner_->state();  // gathers: all processes call it
  state.val = val_logits_;
  state.test = test_logits_;
  if (group_.first()) save_run_state(files_.last(), state);
  saved_ = Clock::now();
}

/// Keeps the epoch's network if it is the best so far. @return false: interrupted
bool Trainer::take_if_best(const EpochRow& row, const at::Tensor& logits) {
  const BestEpoch& before = result_.best;
  const bool better = row.val_accuracy > before.val_accuracy ||
                      (row.val_accuracy == before.val_accuracy && row.val_loss < before.val_loss);
  if (!better) return true;
  BestEpoch best{row.epoch, row.val_accuracy, row.val_loss, std::nullopt};
  at::Tensor test_logits;
  if (!test_->usable().empty()) {
    // What the new best says of the pictures that choose nothing.
    const std::optional<at::Tensor> said = classify(*test_, title("test", row.epoch), recipe_.flip_average);
    if (!said) return false;
    best.test_accuracy = score(*said, *test_).accuracy;
    test_logits = *said;
  }
  // What serves the network sees no mirror images, and its confidence is to be believed.
  std::optional<at::Tensor> served = logits;
  if (recipe_.flip_average) served = classify(*val_, title("confidence", row.epoch), false);
  if (!served) return false;
  result_.best = best;
  val_logits_ = logits;
  test_logits_ = test_logits;
  save_best(*served);
  return true;
}

void Trainer::end_epoch(const EpochRow& row) {
  console_.note(
      format("[epoch %d] train_loss: %.3f  val_accuracy: %.3f", row.epoch, row.train_loss, row.val_accuracy));
  result_.rows.push_back(row);
  part_ = {};
  // This process's first epoch reads the pictures.
  if (budget_) budget_->replan(row.epoch, row.epoch > first_epoch_ ? row.seconds : 0, seconds());
  save_last();
  if (!group_.first()) return;
  files_.save_epochs(result_.rows, recipe_);
  if (row.epoch == result_.best.epoch) save_report();
}

/// The run so far, and how its best network does on pictures that did not choose it, where there are some.
void Trainer::save_report() const {
  const bool tested = test_logits_.defined();
  if (!group_.first() || (!tested && !val_logits_.defined())) return;
  Report report;
  report.title = job_.output.filename().string();
  report.classes = info_.classes;
  report.rows = result_.rows;
  report.best_epoch = result_.best.epoch;
  report.split = tested ? "test" : "val";
  report.predictions = tested ? predictions_of(test_logits_, *test_) : predictions_of(val_logits_, *val_);
  report.temperature = temperature_;
  report.recipe = to_json(recipe_);
  report.facts = {{"architecture", info_.architecture.name()},
                  {"pictures to train on", std::to_string(train_->usable().size())},
                  {"pictures that chose the epoch", std::to_string(val_->usable().size())},
                  {"pictures that chose nothing", std::to_string(test_->usable().size())},
                  {"minutes", format("%.1f", seconds() / 60)}};
  files_.save_report(report);
}

/// @return false: interrupted
bool Trainer::run_epoch(int epoch) {
  EpochRow row;
  row.epoch = epoch + 1;
  if (!train_epoch(epoch, row)) return false;
  if (part_.counted == 0) throw Error(ErrorCode::format, "none of the pictures could be read");
  const std::optional<at::Tensor> logits = classify(*val_, title("valid", epoch + 1), recipe_.flip_average);
  if (!logits) return false;
  const Scores scores = score(*logits, *val_);
  row.val_loss = scores.loss;
  row.val_accuracy = scores.accuracy;
  if (!take_if_best(row, *logits)) return false;
  end_epoch(row);
  return true;
}

bool Trainer::goes_on() const {
  const int done = static_cast<int>(result_.rows.size());
  const bool patient = recipe_.patience == 0 || done - result_.best.epoch < recipe_.patience;
  return done < recipe_.epochs && patient;
}

TrainingResult Trainer::run() {
  start();
  if (job_.strict) {
    check_all_pictures();
  }
  if (recipe_.minutes > 0 && goes_on()) plan_time();
  while (goes_on()) {
    if (group_.any(interrupted()) || !run_epoch(static_cast<int>(result_.rows.size()))) {
      // Before the first step there is nothing to go on from, and perhaps an earlier run's state.
      if (!result_.rows.empty() || part_.pictures > 0) save_last();
      result_.interrupted = true;
      break;
    }
  }
  // The page of a best epoch that was the last one is there already.
  if (!result_.rows.empty() && result_.rows.back().epoch != result_.best.epoch) save_report();
  result_.skipped = skipped_.size();
  if (!result_.interrupted && group_.first()) {
    std::filesystem::remove(files_.last());
  }
  return result_;
}

}  // namespace

TrainingResult train(const TrainingJob& job, Console& console) { return Trainer(job, console).run(); }

}  // namespace resnet
