#include "model/quantized_state.h"

#include <future>
#include <map>
#include <set>

#include <ATen/TensorOperators.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "model/error.h"
#include "model/lowering.h"
#include "model/quantization.h"
#include "model/quote.h"
#include "model/resnet.h"

namespace resnet {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr const char* kScale = ".weight_scale";
constexpr const char* kStem = "conv1";

/// The batch norm behind a convolution: "layer1.0.bn2" of "layer1.0.conv2", "….downsample.1" of
/// "….downsample.0".
std::string batch_norm_name(std::string convolution) {
  const std::size_t at = convolution.rfind("conv");
  if (at == std::string::npos) return convolution.replace(convolution.size() - 1, 1, "1");
  return convolution.replace(at, 4, "bn");
}

/// Checks of a quantized file's tensors; errors name the file and the tensor.
class Reader {
 public:
  explicit Reader(const Checkpoint& checkpoint) : where_(quote_path(checkpoint.path)) {
    for (const auto& [name, tensor] : checkpoint.tensors) by_name_.emplace(name, tensor);
  }

  void check(const std::string& name, at::ScalarType type, const Shape& shape) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      throw Error(ErrorCode::mismatch, where_ + " has no tensor '" + name +
                                           "'; its network is quantized and needs one, " + dtype_name(type) +
                                           " of shape " + to_text(shape));
    }
    const at::Tensor& tensor = found->second;
    if (tensor.scalar_type() != type) {
      fail(name, "holds " + dtype_name(tensor.scalar_type()) + " values; " + dtype_name(type) +
                     " values are needed");
    }
    if (tensor.sizes() != shape) {
      throw Error(ErrorCode::mismatch, where_ + ": tensor '" + name + "' has shape " +
                                           to_text(tensor.sizes().vec()) + "; " + to_text(shape) +
                                           " is needed");
    }
  }

  /// The dequantized weight of a convolution whose tensors passed check().
  at::Tensor weight(const std::string& convolution) const {
    const at::Tensor& values = by_name_.at(convolution + ".weight");
    const at::Tensor& scale = by_name_.at(convolution + kScale);
    const auto [lowest, highest] = at::aminmax(scale);  // NaN if any is
    if (!(lowest.item<float>() >= kSmallestScale && highest.item<float>() <= kLargestScale)) {
      fail(convolution + kScale, "holds a scale that is not from 1e-30 to 1e9");
    }
    if (!stay_the_same({values, scale})) {
      fail(convolution + ".weight",
           "has an output channel whose largest value is not 127 or -127, which scales are chosen for");
    }
    return to_real({values, scale});
  }

  at::Tensor bias(const std::string& convolution) const {
    const at::Tensor& bias = by_name_.at(convolution + ".bias");
    if (!(bias.abs().max().item<float>() <= kLargestScale))
      fail(convolution + ".bias", "holds a value that is not from -1e9 to 1e9");
    return bias;
  }

  /// An executor quantizes what the stem's weights become for pixels.
  void check_stem(const Preprocessing& preprocessing) const {
    const std::string name = std::string(kStem) + ".weight";
    const at::Tensor folded = fold_pixels(by_name_.at(name), preprocessing);
    if (folded.abs().max().item<float>() / 127 > kLargestScale)
      fail(name, "holds values that are too large for 8 bits with the \"std\" of the file's description");
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    throw Error(ErrorCode::format, where_ + ": tensor '" + name + "' " + what);
  }

  std::string where_;
  std::map<std::string, at::Tensor> by_name_;
};

void add_identity(NamedTensors& state, const std::string& name, const at::Tensor& bias) {
  // A batch norm adds its eps to the variance. The sum misses 1 by less than 3e-8, its root by half of that:
  // too little to move a weight to another float.
  constexpr double eps = 1e-5;
  state.emplace_back(name + ".weight", at::ones(bias.sizes()));
  state.emplace_back(name + ".bias", bias);
  state.emplace_back(name + ".running_mean", at::zeros(bias.sizes()));
  state.emplace_back(name + ".running_var", at::full(bias.sizes(), 1 - eps));
}

/// By two threads, as most of the time goes to the first touch of new memory.
std::vector<at::Tensor> dequantized_weights(const Reader& reader, const std::vector<std::string>& names) {
  std::vector<at::Tensor> weights(names.size());
  const auto fill = [&](std::size_t first) {
    for (std::size_t i = first; i < names.size(); i += 2) weights[i] = reader.weight(names[i]);
  };
  std::future<void> others = std::async(std::launch::async, fill, 1);
  fill(0);
  others.get();
  return weights;
}

/// The shapes of the convolutions' weights, by the convolution's name.
std::map<std::string, Shape> convolution_shapes(const Architecture& architecture) {
  std::map<std::string, Shape> shapes;
  for (auto& [name, shape] : state_dict_shapes(architecture, 0)) {
    if (shape.size() == 4) shapes.emplace(name.substr(0, name.rfind('.')), std::move(shape));
  }
  return shapes;
}

}  // namespace

NamedTensors quantized_state(const ResNet& network) {
  const std::vector<Step> steps = lower(network);
  const std::vector<std::string> names = step_names(network->architecture());
  NamedTensors state;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (!step.weight.defined()) continue;
    if (step.kind == Step::Kind::head || names[i] == kStem) {
      state.emplace_back(names[i] + ".weight", step.weight);
    } else {
      QuantizedWeights quantized = quantize_weights(step.weight);
      state.emplace_back(names[i] + ".weight", std::move(quantized.values));
      state.emplace_back(names[i] + kScale, std::move(quantized.scale));
    }
    state.emplace_back(names[i] + ".bias", step.bias);
  }
  return state;
}

bool is_quantized(const Checkpoint& checkpoint) {
  if (checkpoint.info.is_object() && checkpoint.info.contains("quantization")) return true;
  return std::any_of(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                     [](const auto& entry) { return entry.first.ends_with(kScale); });
}

Checkpoint dequantized(const Checkpoint& quantized, const InferredArchitecture& inferred,
                       const Preprocessing& preprocessing) {
  const Reader reader(quantized);
  const std::map<std::string, Shape> shapes = convolution_shapes(inferred.architecture);
  std::set<std::string> used;
  // All shapes first: only then is memory allocated.
  for (const auto& [name, shape] : shapes) {
    if (name != kStem) {
      reader.check(name + ".weight", at::kChar, shape);
      reader.check(name + kScale, at::kFloat, {shape[0]});
      used.insert({name + ".weight", name + kScale});
    }
    reader.check(name + ".bias", at::kFloat, {shape[0]});
    used.insert(name + ".bias");
  }
  reader.check_stem(preprocessing);
  Checkpoint result;
  result.path = quantized.path;
  result.format = quantized.format;
  std::vector<std::string> names;
  for (const auto& [name, shape] : shapes) {
    if (name != kStem) names.push_back(name);
    add_identity(result.tensors, batch_norm_name(name), reader.bias(name));
  }
  std::vector<at::Tensor> weights = dequantized_weights(reader, names);
  for (std::size_t i = 0; i < names.size(); ++i)
    result.tensors.emplace_back(names[i] + ".weight", std::move(weights[i]));
  for (const auto& entry : quantized.tensors) {
    if (!used.contains(entry.first)) result.tensors.push_back(entry);
  }
  return result;
}

}  // namespace resnet
