// bench-training: pictures/s of training, from files to steps, in turns as turns.h says them.
//
//   echo go 10 | bench-training --data flower_photos --arch resnet18 --size 128 --threads 2
#include <ATen/Context.h>
#include <CLI/CLI.hpp>

#include "tests/benchmarks/turns.h"
#include "training/available_memory.h"
#include "training/class_balance.h"
#include "training/image_folder.h"
#include "training/learner.h"
#include "training/picture_input.h"

namespace resnet {
namespace {

struct Options {
  std::string data, arch = "resnet18", precision = "auto";
  int size = 128, threads = 1;
};

/// A run that goes on epoch after epoch.
class Training {
 public:
  explicit Training(const Options& options)
      : threads_(options.threads), recipe_(preset("scratch", options.size)) {
    recipe_.first_size = recipe_.last_size = 0;  // all at the same size, as the peers
    recipe_.precision = options.precision;
    TrainingData data = open_training_data(options.data);
    at::manual_seed(recipe_.seed);
    const ResNet network =
        make_resnet(find_architecture(options.arch), static_cast<int>(data.classes.size()));
    const auto cache = std::make_shared<PictureCache>(default_picture_budget());
    store_ =
        std::make_unique<PictureStore>(std::move(data.train), recipe_.shrink, recipe_.scaled_jpeg, cache);
    learner_ = std::make_unique<Learner>(recipe_, Preprocessing::for_image_size(options.size), network,
                                         std::vector<float>{}, "cpu", threads_, alone_);
    for (std::size_t i = 0; i < store_->samples().size(); ++i)
      store_->get(i);  // the first epoch is not counted
  }

  nlohmann::json run(double seconds) {
    Random random(recipe_.seed, epoch_, ~std::uint64_t{0});
    const std::vector<std::size_t> order = shuffled_order(store_->samples(), random);
    Loader loader =
        load_crops(*store_, recipe_, batches_of(order, static_cast<std::size_t>(recipe_.batch_size)),
                   static_cast<int>(epoch_++), recipe_.image_size, threads_);
    std::size_t pictures = 0;
    step(loader);  // waits for the loader
    const auto start = BenchmarkClock::now();
    double elapsed = 0;
    while (elapsed < seconds) {
      const std::size_t n = step(loader);
      if (n == 0) break;
      pictures += n;
      elapsed = seconds_since(start);
    }
    return {{"pictures_per_s", static_cast<double>(pictures) / elapsed}};
  }

 private:
  std::size_t step(Loader& loader) {
    std::optional<Batch> batch = loader.next();
    if (!batch || batch->indices.size() < 2) return 0;
    LabelledPixels pixels = labelled(*batch, *store_, recipe_.image_size);
    learner_->train(pixels, pixels.labels.size(), 0.01);
    return batch->indices.size();
  }

  const int threads_;
  const ProcessGroup alone_;
  Recipe recipe_;
  std::unique_ptr<PictureStore> store_;
  std::unique_ptr<Learner> learner_;
  std::uint64_t epoch_ = 0;
};

Turn prepare(const Options& options, nlohmann::json& description) {
  keep_freed_memory();  // as the command does
  const auto training = std::make_shared<Training>(options);
  description["description"] = "resnet train, " + options.arch + ", " + options.precision;
  return [training](double seconds) { return training->run(seconds); };
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  resnet::Options options;
  CLI::App app("Pictures/s of training; reads lines \"go SECONDS\"", "bench-training");
  app.add_option("--data", options.data, "Folder as resnet train takes it")->required();
  app.add_option("--arch", options.arch, "Architecture");
  app.add_option("--precision", options.precision, "fp32, bf16 or auto");
  app.add_option("--size", options.size, "Side of the crops")->check(CLI::Range(32, 1024));
  app.add_option("--threads", options.threads, "Threads")->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);
  return resnet::take_turns(
      [&](nlohmann::json& description) { return resnet::prepare(options, description); });
}
