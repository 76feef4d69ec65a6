#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>

#include "model/error.h"
#include "model/model_file.h"
#include "model/resnet.h"
#include "model/tensor_digest.h"
#include "training/commands.h"
#include "training/console.h"
#include "training/format.h"

namespace resnet {
namespace {

struct InspectOptions {
  std::filesystem::path file, labels_file;
  bool json = false;
};

void print_tensors(const Checkpoint& checkpoint) {
  constexpr std::size_t widest = 64;  // one long name moves its own line, not all of them
  std::size_t width = 0;
  for (const auto& entry : checkpoint.tensors) {
    width = std::max(width, std::min(text_width(entry.first), widest));
  }
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    bytes += tensor.nbytes();
    std::printf("  %s  %-8s  %s\n", padded(printable(name), width).c_str(),
                dtype_name(tensor.scalar_type()).c_str(), to_text(tensor.sizes().vec()).c_str());
  }
  std::printf("tensors: %zu, %.1f MB\n", checkpoint.tensors.size(), static_cast<double>(bytes) / 1e6);
}

std::string preprocessing_text(const Preprocessing& p) {
  const std::string side = std::to_string(p.resize_size);
  const std::string size = p.fit == Fit::crop ? side : "(" + side + ", " + side + ")";
  return format("Resize(%s, %s), CenterCrop(%d), mean %g %g %g, std %g %g %g", size.c_str(),
                p.interpolation == Interpolation::bilinear ? "bilinear" : "bicubic", p.crop_size,
                static_cast<double>(p.mean[0]), static_cast<double>(p.mean[1]),
                static_cast<double>(p.mean[2]), static_cast<double>(p.std[0]), static_cast<double>(p.std[1]),
                static_cast<double>(p.std[2]));
}

void print_model(const Model& model) {
  std::printf("architecture: %s\n", model.architecture().name().c_str());
  std::printf("classes: %d", model.num_classes());
  for (std::size_t i = 0; i < model.info.classes.size(); ++i) {
    std::printf("%s%s", i == 0 ? " (" : ", ", printable(model.info.classes[i]).c_str());
  }
  std::printf("%s\n", model.info.classes.empty() ? ", names unknown" : ")");
  std::printf("activation: %s\n", activation_name(model.info.activation));
  std::printf("temperature: %g\n", model.info.temperature);
  if (model.info.threshold) {
    std::printf("threshold: %g\n", *model.info.threshold);
  }
  std::printf("preprocessing: %s\n", preprocessing_text(model.info.preprocessing).c_str());
  if (const auto& quantization = model.info.quantization) {
    std::printf("quantized: int8, ranges by %s of %d pictures\n", printable(quantization->method).c_str(),
                quantization->pictures);
    if (quantization->accuracy) {
      std::printf("accuracy: %s\n", accuracy_text(*quantization->accuracy).c_str());
    }
  }
  std::int64_t parameters = 0;
  for (const at::Tensor& parameter : model.network->parameters()) {
    parameters += parameter.numel();
  }
  std::printf("parameters: %lld\n", static_cast<long long>(parameters));
  if (!model.info.metrics.empty()) {
    std::printf("metrics: %s\n", printable(model.info.metrics.dump()).c_str());
  }
}

nlohmann::json to_json(const Checkpoint& checkpoint) {
  nlohmann::json tensors = nlohmann::json::array();
  for (const auto& [name, tensor] : checkpoint.tensors) {
    tensors.push_back(
        {{"name", name}, {"type", dtype_name(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}});
  }
  return {{"file", checkpoint.path.string()},
          {"format", to_string(checkpoint.format)},
          {"notes", checkpoint.notes},
          {"digest", tensor_digest(checkpoint.tensors)},
          {"tensors", std::move(tensors)}};
}

int run_inspect(const InspectOptions& options, bool quiet) {
  Console console(quiet);
  const Checkpoint checkpoint = read_checkpoint(options.file);
  const std::string digest = tensor_digest(checkpoint.tensors);
  nlohmann::json document;
  if (options.json) {
    document = to_json(checkpoint);
  } else {
    std::printf("file: %s\nformat: %s\n", printable(options.file.string()).c_str(),
                to_string(checkpoint.format).c_str());
    for (const std::string& note : checkpoint.notes) {
      std::printf("note: %s\n", printable(note).c_str());
    }
    print_tensors(checkpoint);
    std::printf("digest: %s\n", digest.c_str());
  }
  const auto print_document = [&] {
    if (options.json) {
      std::printf("%s\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    }
    std::fflush(stdout);
  };
  try {
    const Model model = load_model(options.file, options.labels_file);
    for (const std::string& warning : model.warnings) {
      console.warn(warning);
    }
    if (options.json) {
      document["model"] = to_json(model.info);
      document["num_classes"] = model.num_classes();
      document["name"] = model.architecture().name();
    } else {
      print_model(model);
      std::printf("check: all tensors fit and are finite\n");
    }
  } catch (const Error&) {
    print_document();  // what is in the file is shown also when it cannot be used
    throw;
  }
  print_document();
  return 0;
}

}  // namespace

void add_inspect_command(CLI::App& app, const bool& quiet, Action& action) {
  CLI::App& command = *app.add_subcommand("inspect", "Show and check what a model file holds");
  const auto options = std::make_shared<InspectOptions>();
  command.add_option("FILE", options->file, "Model file: .pth or .safetensors")->required();
  command.add_option("--labels-file", options->labels_file,
                     "class_indices.json to use instead of the file's classes");
  command.add_flag("--json", options->json, "Print one JSON document");
  command.callback(
      [options, &quiet, &action] { action = [options, &quiet] { return run_inspect(*options, quiet); }; });
}

}  // namespace resnet
