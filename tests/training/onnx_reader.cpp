// Sees no header of LibTorch, as training/onnx_model.cpp does.
#include "tests/training/onnx_reader.h"

#include <fstream>
#include <stdexcept>

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

namespace resnet::testing {
namespace {

nlohmann::json shapes_of(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& values) {
  nlohmann::json shapes = nlohmann::json::object();
  for (const onnx::ValueInfoProto& value : values) {
    nlohmann::json& shape = shapes[value.name()] = nlohmann::json::array();
    for (const auto& dimension : value.type().tensor_type().shape().dim()) {
      if (dimension.has_dim_value())
        shape.push_back(dimension.dim_value());
      else
        shape.push_back(dimension.dim_param());
    }
  }
  return shapes;
}

}  // namespace

nlohmann::json read_onnx(const std::filesystem::path& path) {
  onnx::ModelProto model;
  std::ifstream file(path, std::ios::binary);
  if (!model.ParseFromIstream(&file)) throw std::runtime_error("Protobuf cannot read " + path.string());
  onnx::checker::check_model(model);
  onnx::shape_inference::InferShapes(model, onnx::OpSchemaRegistry::Instance(),
                                     {/*check_type=*/true, /*strict_mode=*/1, /*data_propagation=*/false});

  nlohmann::json found{
      {"opset", model.opset_import(0).version()},   {"producer", model.producer_name()},
      {"inputs", shapes_of(model.graph().input())}, {"outputs", shapes_of(model.graph().output())},
      {"initializers", nlohmann::json::object()},   {"metadata", nlohmann::json::object()},
      {"operators", nlohmann::json::object()}};
  for (const onnx::TensorProto& tensor : model.graph().initializer())
    found["initializers"][tensor.name()] =
        std::vector<std::int64_t>(tensor.dims().begin(), tensor.dims().end());
  for (const auto& entry : model.metadata_props()) found["metadata"][entry.key()] = entry.value();
  for (const onnx::NodeProto& node : model.graph().node()) {
    nlohmann::json& count = found["operators"][node.op_type()];
    count = count.is_null() ? 1 : count.get<int>() + 1;
  }
  return found;
}

}  // namespace resnet::testing
