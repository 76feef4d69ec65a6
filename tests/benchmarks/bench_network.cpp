// bench-network: frames/s of the network alone, in turns as turns.h says them.
//
//   echo go 2 | bench-network --model resnet34.pth --precision bf16 --batch-size 8 --threads 2
#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <CLI/CLI.hpp>

#include "model/executor.h"
#include "model/model_file.h"
#include "tests/benchmarks/network_options.h"
#include "tests/benchmarks/turns.h"

namespace resnet {
namespace {

struct Options {
  std::filesystem::path model;
  int batch_size = 1;
  ExecutorOptions executor;
};

/// Pixels 0…255 where the executor wants bytes, else numbers of about the range of normalised pixels.
void fill(at::Tensor& input) {
  if (input.scalar_type() == at::kByte) {
    input.copy_(at::randint(256, input.sizes()));
  } else {
    input.copy_(at::rand(input.sizes()) * 4 - 2);
  }
}

Turn prepare(const Options& options, nlohmann::json& description) {
  const Model model = load_model(options.model);
  const std::shared_ptr<Executor> executor =
      make_executor(model.network, with_model(options.executor, model.info));
  at::Tensor input = executor->make_input(options.batch_size, model.info.preprocessing.crop_size);
  fill(input);
  description["description"] = model.info.architecture.name() + ", " + executor->description();
  return [executor, input, batch_size = options.batch_size](double seconds) {
    const Repeated done = repeat(seconds, [&] { executor->run(input); });
    return nlohmann::json{
        {"frames_per_s", static_cast<double>(done.times) * batch_size / done.seconds},
        {"batches", done.times},
    };
  };
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  resnet::Options options;
  options.executor.device = "cpu";
  CLI::App app("Frames/s of the network alone; reads lines \"go SECONDS\"", "bench-network");
  app.add_option("--model", options.model, "Model file")->required();
  app.add_option("--batch-size", options.batch_size, "Frames in a batch")->check(CLI::Range(1, 4096));
  resnet::add_network_options(app, options.executor);
  CLI11_PARSE(app, argc, argv);
  return resnet::take_turns(
      [&](nlohmann::json& description) { return resnet::prepare(options, description); });
}
