#include "training/onnx_export.h"

#include "model/error.h"

#if !defined(RESNET_HAVE_ONNX)
namespace resnet {

void write_onnx(const std::filesystem::path& path, const ResNet&, ModelInfo) {
  throw Error(ErrorCode::unsupported,
              path.string() +
                  " cannot be written: this build has no ONNX; install libonnx-dev and "
                  "libprotobuf-dev, then 'meson setup --reconfigure' and build again");
}

}  // namespace resnet
#else

#include <array>

#include "model/lowering.h"
#include "model/quote.h"
#include "model/resnet.h"
#include "training/onnx_model.h"

namespace resnet {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr const char* input_name = "input";
constexpr const char* logits_name = "logits";
constexpr const char* features_name = "features";

/// Bytes of the fp32 numbers that the lowered network has: of each batch norm a bias is left.
std::uint64_t weight_bytes(const ResNet& network) {
  std::uint64_t count = 0;
  for (const auto& [name, shape] : state_dict_shapes(network->architecture(), network->num_classes())) {
    if (shape.size() < 2 && !name.ends_with(".bias")) continue;
    std::uint64_t elements = 1;
    for (const std::int64_t size : shape) elements *= static_cast<std::uint64_t>(size);
    count += elements;
  }
  return count * sizeof(float);
}

/// Adds the nodes of the steps to a model, in their order.
class StepExporter {
 public:
  explicit StepExporter(OnnxModel& model) : model_(model) {}

  void add(const Step& step) {
    switch (step.kind) {
      case Step::Kind::convolution:
      case Step::Kind::convolution_add:
        add_convolution(step);
        break;
      case Step::Kind::max_pool:
        registers_.at(Step::block) = model_.add_node(
            "MaxPool", step.name, {registers_.at(Step::block)},
            {{"kernel_shape", Shape{3, 3}}, {"pads", Shape{1, 1, 1, 1}}, {"strides", Shape{2, 2}}});
        break;
      case Step::Kind::head:
        add_head(step);
        break;
    }
  }

 private:
  std::string initializer(const std::string& name, const at::Tensor& tensor) {
    return model_.add_initializer(name, tensor.sizes().vec(), tensor.const_data_ptr<float>());
  }

  void add_convolution(const Step& step) {
    const std::string weight = initializer(step.name + ".weight", step.weight);
    const std::string bias = initializer(step.name + ".bias", step.bias);
    const std::int64_t kernel = step.weight.size(2), stride = step.stride, padding = step.padding;
    std::string value = model_.add_node("Conv", step.name, {registers_.at(step.input), weight, bias},
                                        {{"dilations", Shape{1, 1}},
                                         {"group", std::int64_t{step.groups}},
                                         {"kernel_shape", Shape{kernel, kernel}},
                                         {"pads", Shape{padding, padding, padding, padding}},
                                         {"strides", Shape{stride, stride}}});
    if (step.kind == Step::Kind::convolution_add)
      value = model_.add_node("Add", step.name + ".add", {value, registers_.at(Step::block)});
    if (step.relu) value = model_.add_node("Relu", step.name + ".relu", {value});
    registers_.at(step.output) = value;
  }

  void add_head(const Step& step) {
    const std::string pooled = model_.add_node("GlobalAveragePool", "avgpool", {registers_.at(Step::block)});
    const std::string features = model_.add_node("Flatten", features_name, {pooled});
    if (!step.weight.defined()) return;
    const std::string weight = initializer(step.name + ".weight", step.weight);
    const std::string bias = initializer(step.name + ".bias", step.bias);
    model_.add_node("Gemm", logits_name, {features, weight, bias}, {{"transB", std::int64_t{1}}});
  }

  OnnxModel& model_;
  std::array<std::string, 2> registers_{input_name, ""};  ///< the value that each Step::Register holds
};

void describe(OnnxModel& model, const ModelInfo& info) {
  nlohmann::json document = to_json(info);
  document["activation"] = activation_name(info.activation);  // said also where it is the default
  for (const auto& [key, value] : document.items()) {
    model.add_metadata(key, value.is_string()
                                ? value.get<std::string>()
                                : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
}

}  // namespace

void write_onnx(const std::filesystem::path& path, const ResNet& network, ModelInfo info) {
  const std::uint64_t bytes = weight_bytes(network);
  if (bytes >= OnnxModel::max_bytes) {
    throw Error(ErrorCode::unsupported, "cannot write " + quote_path(path) + ": the network has " +
                                            std::to_string(bytes) +
                                            " bytes of weights and an ONNX file holds less than 2 GiB");
  }
  info.architecture = network->architecture();
  OnnxModel model(info.architecture.name());
  model.add_input(input_name, {"batch", std::int64_t{3}, "height", "width"},
                  "RGB in 0…1, then (x − mean) / std; see the metadata \"preprocessing\"");
  const int classes = network->num_classes();
  model.add_output(classes > 0 ? logits_name : features_name,
                   {"batch", std::int64_t{classes > 0 ? classes : info.architecture.features()}});
  StepExporter exporter(model);
  lower(network, false, {}, [&](const Step& step) { exporter.add(step); });
  describe(model, info);
  model.write(path);
}

}  // namespace resnet
#endif
