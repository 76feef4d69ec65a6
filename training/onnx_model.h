#ifndef RESNET_TRAINING_ONNX_MODEL_H
#define RESNET_TRAINING_ONNX_MODEL_H

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace onnx {
class ModelProto;
}

namespace resnet {

/// A number, or the name of what may be any.
using OnnxDimension = std::variant<std::int64_t, std::string>;
using OnnxAttribute = std::pair<const char*, std::variant<std::int64_t, std::vector<std::int64_t>>>;

/// An ONNX model of fp32 tensors in the making: IR 7, opset 13. Of ONNX's operators and files it knows all,
/// of networks nothing, and its source sees no header of LibTorch, which brings a Protobuf of its own.
class OnnxModel {
 public:
  /// An ONNX file has less bytes than this: Protobuf's limit.
  static constexpr std::uint64_t max_bytes = std::uint64_t{1} << 31;

  explicit OnnxModel(const std::string& graph_name);
  ~OnnxModel();
  OnnxModel(const OnnxModel&) = delete;
  OnnxModel& operator=(const OnnxModel&) = delete;

  void add_input(const std::string& name, const std::vector<OnnxDimension>& shape,
                 const std::string& description);
  void add_output(const std::string& name, const std::vector<OnnxDimension>& shape);
  /// A constant, copied. @return its name
  std::string add_initializer(const std::string& name, const std::vector<std::int64_t>& shape,
                              const float* values);
  /// A node with one output, which has its name. @return that
  std::string add_node(const char* operation, const std::string& name, const std::vector<std::string>& inputs,
                       const std::vector<OnnxAttribute>& attributes = {});
  /// An entry of metadata_props.
  void add_metadata(const std::string& key, const std::string& value);

  /// Temporary file, fsync, rename.  @throws Error write; unsupported for max_bytes or more
  void write(const std::filesystem::path& path) const;

 private:
  std::unique_ptr<onnx::ModelProto> model_;
};

}  // namespace resnet

#endif
