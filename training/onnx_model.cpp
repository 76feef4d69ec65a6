#include "training/onnx_model.h"

#include <bit>
#include <exception>

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <onnx/onnx_pb.h>

#include "model/error.h"
#include "model/file_io.h"
#include "model/quote.h"

namespace resnet {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

// Of ONNX 1.8 (2020): what every reader in use takes.
constexpr int ir_version = 7;
constexpr int opset = 13;

void declare(onnx::ValueInfoProto& value, const std::string& name, const std::vector<OnnxDimension>& shape) {
  value.set_name(name);
  onnx::TypeProto::Tensor& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  for (const OnnxDimension& dimension : shape) {
    onnx::TensorShapeProto::Dimension& added = *type.mutable_shape()->add_dim();
    if (const auto* size = std::get_if<std::int64_t>(&dimension))
      added.set_dim_value(*size);
    else
      added.set_dim_param(std::get<std::string>(dimension));
  }
}

/// Protobuf's way into a FileWriter. What that throws waits here, since Protobuf flushes in destructors.
class ProtobufOutput : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit ProtobufOutput(FileWriter& file) : file_(file) {}

  bool Write(const void* data, int size) override {
    try {
      file_.write(data, static_cast<std::size_t>(size));
      return true;
    } catch (...) {
      error_ = std::current_exception();
      return false;
    }
  }

  std::exception_ptr error() const { return error_; }

 private:
  FileWriter& file_;
  std::exception_ptr error_;
};

}  // namespace

OnnxModel::OnnxModel(const std::string& graph_name) : model_(std::make_unique<onnx::ModelProto>()) {
  model_->set_ir_version(ir_version);
  model_->set_producer_name("gst-resnet");
  model_->set_producer_version(RESNET_VERSION);
  onnx::OperatorSetIdProto& operators = *model_->add_opset_import();
  operators.set_domain("");
  operators.set_version(opset);
  model_->mutable_graph()->set_name(graph_name);
}

OnnxModel::~OnnxModel() = default;

void OnnxModel::add_input(const std::string& name, const std::vector<OnnxDimension>& shape,
                          const std::string& description) {
  onnx::ValueInfoProto& input = *model_->mutable_graph()->add_input();
  declare(input, name, shape);
  input.set_doc_string(description);
}

void OnnxModel::add_output(const std::string& name, const std::vector<OnnxDimension>& shape) {
  declare(*model_->mutable_graph()->add_output(), name, shape);
}

std::string OnnxModel::add_initializer(const std::string& name, const std::vector<std::int64_t>& shape,
                                       const float* values) {
  onnx::TensorProto& initializer = *model_->mutable_graph()->add_initializer();
  initializer.set_name(name);
  initializer.set_data_type(onnx::TensorProto::FLOAT);
  std::size_t bytes = sizeof(float);
  for (const std::int64_t size : shape) {
    initializer.add_dims(size);
    bytes *= static_cast<std::size_t>(size);
  }
  initializer.set_raw_data(values, bytes);
  return name;
}

std::string OnnxModel::add_node(const char* operation, const std::string& name,
                                const std::vector<std::string>& inputs,
                                const std::vector<OnnxAttribute>& attributes) {
  onnx::NodeProto& node = *model_->mutable_graph()->add_node();
  node.set_op_type(operation);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(name);
  for (const auto& [key, value] : attributes) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(key);
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      attribute.set_type(onnx::AttributeProto::INT);
      attribute.set_i(*number);
    } else {
      attribute.set_type(onnx::AttributeProto::INTS);
      for (const std::int64_t one : std::get<std::vector<std::int64_t>>(value)) attribute.add_ints(one);
    }
  }
  return name;
}

void OnnxModel::add_metadata(const std::string& key, const std::string& value) {
  onnx::StringStringEntryProto& entry = *model_->add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

void OnnxModel::write(const std::filesystem::path& path) const {
  if (model_->ByteSizeLong() >= max_bytes) {
    throw Error(ErrorCode::unsupported,
                "cannot write " + quote_path(path) + ": an ONNX file holds less than 2 GiB");
  }
  write_file_atomically(path, [&](FileWriter& file) {
    ProtobufOutput output(file);
    bool written = false;
    {
      google::protobuf::io::CopyingOutputStreamAdaptor stream(&output);
      written = model_->SerializeToZeroCopyStream(&stream) && stream.Flush();
    }
    if (output.error()) std::rethrow_exception(output.error());
    if (!written) throw Error(ErrorCode::write, "Protobuf cannot write " + quote_path(path));
  });
}

}  // namespace resnet
