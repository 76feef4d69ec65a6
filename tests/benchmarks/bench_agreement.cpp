// bench-agreement: how often a precision names the class that the fp32 reference names, on real photographs.
//
//   bench-agreement --reference flowers.pth --model flowers.pth --precision bf16 PHOTOS
//
// Prints a line of JSON: pictures, agreement (share of pictures with the same first class) and
// max_relative_difference (largest difference of a logit, relative to the picture's largest logit by amount).
#include <cmath>

#include <ATen/TensorOperators.h>
#include <CLI/CLI.hpp>

#include "model/executor.h"
#include "model/executor_input.h"
#include "model/model_file.h"
#include "tests/benchmarks/network_options.h"
#include "tests/benchmarks/turns.h"
#include "training/image_folder.h"
#include "training/picture.h"

namespace resnet {
namespace {

struct Options {
  std::filesystem::path reference, model, photos;
  ExecutorOptions executor;
};

/// An executor that classifies a picture at a time.
class Contestant {
 public:
  Contestant(std::unique_ptr<Executor> executor, const Preprocessing& preprocessing)
      : executor_(std::move(executor)),
        input_(executor_->make_input(1, preprocessing.crop_size)),
        preprocessor_(make_preprocessor(preprocessing, input_)) {}

  /// [num_classes]
  at::Tensor logits(const Image& image) {
    preprocessor_.run(image, input_.data_ptr());
    return executor_->run(input_).logits[0];
  }
  std::string description() const { return executor_->description(); }

 private:
  std::unique_ptr<Executor> executor_;
  at::Tensor input_;
  Preprocessor preprocessor_;
};

nlohmann::json compare(const Options& options) {
  const Model reference_model = load_model(options.reference);
  const Model model = load_model(options.model);
  if (reference_model.num_classes() == 0 || reference_model.num_classes() != model.num_classes())
    throw std::runtime_error("the two models do not have the same number of classes, one at least");
  Contestant reference(make_reference_executor(reference_model.network), reference_model.info.preprocessing);
  Contestant contestant(make_executor(model.network, with_model(options.executor, model.info)),
                        model.info.preprocessing);
  std::vector<std::filesystem::path> not_pictures;
  const std::vector<std::filesystem::path> photos = list_pictures(options.photos, not_pictures);
  if (photos.empty()) throw std::runtime_error("no pictures in " + options.photos.string());
  std::int64_t same = 0;
  double difference = 0;
  for (const std::filesystem::path& photo : photos) {
    const RgbPicture picture = read_picture(photo);
    const at::Tensor expected = reference.logits(as_image(picture));
    const at::Tensor found = contestant.logits(as_image(picture));
    if (expected.argmax().item<std::int64_t>() == found.argmax().item<std::int64_t>()) ++same;
    difference = std::max(
        difference, ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-20)).item<double>());
  }
  return {{"description", contestant.description()},
          {"pictures", photos.size()},
          {"agreement", static_cast<double>(same) / static_cast<double>(photos.size())},
          {"max_relative_difference", difference}};
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  resnet::Options options;
  options.executor.device = "cpu";
  CLI::App app("Agreement of a precision with the fp32 reference", "bench-agreement");
  app.add_option("--reference", options.reference, "Model file for the fp32 reference")->required();
  app.add_option("--model", options.model, "Model file for the precision; without it the reference's");
  app.add_option("PHOTOS", options.photos, "Folder of pictures, searched with its sub-folders")->required();
  resnet::add_network_options(app, options.executor);
  CLI11_PARSE(app, argc, argv);
  if (options.model.empty()) options.model = options.reference;
  try {
    resnet::say(resnet::compare(options));
    return 0;
  } catch (const std::exception& error) {
    resnet::say({{"error", error.what()}});
    return 1;
  }
}
