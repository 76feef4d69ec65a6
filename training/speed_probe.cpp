#include "training/speed_probe.h"

#include <algorithm>
#include <chrono>

#include "training/class_balance.h"
#include "training/interrupt.h"
#include "training/picture_input.h"

namespace resnet {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Takes batches off a loader for some seconds, two at least. The first does not count: it waits for the
/// loader, and what runs for the first time is slow. @return seconds a picture
template <typename Take>
double time_batches(Loader& loader, double seconds, const Take& take) {
  std::optional<Batch> batch = loader.next();
  if (!batch) return 0;
  take(*batch);
  const Stopwatch watch;
  std::size_t pictures = 0;
  while (!interrupted() && (pictures == 0 || watch.seconds() < seconds)) {
    batch = loader.next();
    if (!batch) break;
    const std::size_t n = batch->indices.size() + batch->failures.size();
    take(*batch);
    pictures += n;
  }
  return watch.seconds() / static_cast<double>(std::max<std::size_t>(pictures, 1));
}

SpeedAt time_training(Learner& learner, PictureStore& store, const Recipe& recipe,
                      const std::vector<std::size_t>& order, int size, int workers, double seconds) {
  const Batches batches = batches_of(order, static_cast<std::size_t>(recipe.batch_size));
  Loader loader = load_crops(store, recipe, batches, 0, size, workers);
  const double each = time_batches(loader, seconds, [&](Batch& batch) {
    if (batch.indices.size() < 2) return;
    LabelledPixels pixels = labelled(batch, store, size);
    learner.train(pixels, pixels.labels.size(), 0);
  });
  return {size, each};
}

/// Seconds to read the pictures of the order, each for the first time.
double time_reading(PictureStore& store, const std::vector<std::size_t>& order, int workers) {
  const Stopwatch watch;
  Loader loader = load_files(store, order, workers);
  while (loader.next() && !interrupted()) {
  }
  return watch.seconds();
}

}  // namespace

Costs measure_costs(Learner& learner, PictureStore& train, PictureStore& val, const Recipe& recipe,
                    const Preprocessing& preprocessing, int workers, double seconds) {
  constexpr std::size_t most_batches = 12;
  Random random(recipe.seed, 0, ~std::uint64_t{0});
  std::vector<std::size_t> order = shuffled_order(train.samples(), random);
  const std::size_t all = order.size();
  order.resize(std::min(all, most_batches * static_cast<std::size_t>(recipe.batch_size)));
  Costs costs;
  costs.pictures = all;
  costs.once_seconds = time_reading(train, order, workers) / static_cast<double>(order.size()) *
                       static_cast<double>(all - order.size());
  const int small = training_size(recipe, 0), large = training_size(recipe, recipe.epochs - 1);
  costs.large = time_training(learner, train, recipe, order, large, workers, seconds / 3);
  costs.small = small == large ? costs.large
                               : time_training(learner, train, recipe, order, small, workers, seconds / 3);
  std::vector<std::size_t> views = val.usable();
  views.resize(std::min(views.size(), most_batches / 3 * static_cast<std::size_t>(recipe.batch_size)));
  const double reading =
      time_reading(val, views, workers) / static_cast<double>(std::max<std::size_t>(views.size(), 1));
  const std::size_t all_views = val.usable().size();
  costs.once_seconds += reading * static_cast<double>(all_views - views.size());
  Loader loader =
      load_views(val, preprocessing,
                 batches_of(views, static_cast<std::size_t>(std::max(1, recipe.batch_size / 2))), workers);
  const double each = time_batches(loader, seconds / 3, [&](Batch& batch) {
    if (batch.indices.empty()) return;
    LabelledPixels pixels = labelled(batch, val, preprocessing.crop_size);
    learner.evaluate(pixels, recipe.flip_average);
  });
  costs.val_seconds = each * static_cast<double>(all_views);
  return costs;
}

}  // namespace resnet
