#include "model/model_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include <ATen/core/grad_mode.h>

#include "model/error.h"
#include "model/labels.h"
#include "model/quantized_state.h"
#include "model/quote.h"
#include "model/resnet.h"
#include "model/resnet_variants.h"
#include "model/tensor_digest.h"
#include "model/tensor_names.h"
#include "model/timm_config.h"
#include "model/vectorise.h"

namespace resnet {
namespace {

using Shape = std::vector<std::int64_t>;
using Shapes = std::vector<std::pair<std::string, Shape>>;

bool ends_with(const std::string& name, const char* ending) {
  return std::string_view(name).ends_with(ending);
}

// Loops of our own: after an operator of LibTorch its threads spin for a while on the cores that load the
// rest.
RESNET_VECTORISE bool are_finite(const float* values, std::size_t count) {
  constexpr std::uint32_t exponent = 0x7F800000U;
  std::uint32_t special = 0;
  for (std::size_t i = 0; i < count; ++i)
    special |= (std::bit_cast<std::uint32_t>(values[i]) & exponent) == exponent ? 1U : 0U;
  return special == 0;
}

/// A checkpoint's tensors by name, and checks of one of them that name the file.
class Tensors {
 public:
  explicit Tensors(const Checkpoint& checkpoint) : where_(quote_path(checkpoint.path)) {
    for (const auto& [name, tensor] : checkpoint.tensors) by_name_.emplace(name, &tensor);
  }

  const at::Tensor* find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  /// There must be such a tensor, of that shape; a counter may be missing or have one element in another
  /// shape.
  void check_shape(const std::string& name, const Shape& shape) const {
    const at::Tensor* tensor = find(name);
    const bool counter = ends_with(name, ".num_batches_tracked");
    if (!tensor) {
      if (counter) return;
      throw Error(ErrorCode::mismatch, where_ + " has no tensor '" + name + "'; a tensor of shape " +
                                           to_text(shape) + " is needed");
    }
    if (!(tensor->sizes() == shape) && !(counter && tensor->numel() == 1)) {
      throw Error(ErrorCode::mismatch, where_ + ": tensor '" + name + "' has shape " +
                                           to_text(tensor->sizes().vec()) + "; " + to_text(shape) +
                                           " is needed");
    }
  }

  /// The tensor, if there is one, must be finite as fp32, and no negative variance.
  void check_values(const std::string& name) const {
    const at::Tensor* tensor = find(name);
    if (!tensor) return;
    const auto type = tensor->scalar_type();
    if (!at::isFloatingType(type)) {
      if (ends_with(name, ".num_batches_tracked") && at::isIntegralType(type, /*includeBool=*/false)) return;
      throw Error(ErrorCode::format, where_ + ": tensor '" + name + "' holds " + dtype_name(type) +
                                         " values; floating-point numbers are needed");
    }
    // In fp32, as it is going to be used: a double may be finite and its float not.
    const at::Tensor plain = tensor->to(at::kFloat).contiguous();
    const float* values = plain.const_data_ptr<float>();
    const auto count = static_cast<std::size_t>(plain.numel());
    if (!are_finite(values, count)) {
      throw Error(ErrorCode::format,
                  where_ + ": tensor '" + name +
                      "' holds values that are not finite (NaN or infinity); the weights are "
                      "damaged or the training that made them diverged");
    }
    if (ends_with(name, ".running_var") &&
        std::any_of(values, values + count, [](float variance) { return variance < 0; })) {
      throw Error(ErrorCode::format,
                  where_ + ": tensor '" + name + "' holds a negative variance; a variance is 0 or more");
    }
  }

 private:
  std::string where_;
  std::unordered_map<std::string, const at::Tensor*> by_name_;
};

std::vector<std::string> warn_about_unused(const Checkpoint& checkpoint, const Shapes& used) {
  std::unordered_set<std::string> names;
  for (const auto& entry : used) names.insert(entry.first);
  std::size_t count = 0;
  std::string listed;
  for (const auto& entry : checkpoint.tensors) {
    if (names.contains(entry.first)) continue;
    if (count < 4) listed += (count ? ", " : "") + quote(entry.first);
    ++count;
  }
  if (count == 0) return {};
  if (count > 4) listed += ", …";
  return {quote_path(checkpoint.path) + ": ignored " + std::to_string(count) +
          (count == 1 ? " tensor" : " tensors") + " that the network does not use: " + listed};
}

/// How a network gets its tensors.
enum class Placing : std::uint8_t {
  copy,
  share  ///< those of the checkpoint, which nobody else may use any more
};

/// Without a check; what the checkpoint lacks is a counter, and 0.
void place_tensor(at::Tensor& target, const at::Tensor* source, Placing placing) {
  if (source == nullptr) {
    target.zero_();
  } else if (placing == Placing::share && source->scalar_type() == target.scalar_type() &&
             source->sizes() == target.sizes()) {
    target.set_data(*source);
  } else {
    target.copy_(source->reshape(target.sizes()));
  }
}

void place_tensors(ResNet& network, const Tensors& tensors, bool with_head, Placing placing) {
  const at::NoGradGuard no_grad;
  const auto place = [&](const auto& dictionary) {
    for (const auto& item : dictionary) {
      if (!with_head && item.key().starts_with("fc.")) continue;
      at::Tensor target = item.value();
      place_tensor(target, tensors.find(item.key()), placing);
    }
  };
  place(network->named_parameters());
  place(network->named_buffers());
}

bool head_fits(const Tensors& tensors, const ResNet& network) {
  const at::Tensor* weight = tensors.find("fc.weight");
  const Shape needed{network->num_classes(), network->architecture().features()};
  return network->num_classes() > 0 && weight && weight->sizes() == needed;
}

std::vector<std::string> fill(ResNet& network, const Checkpoint& checkpoint, HeadPolicy head,
                              Placing placing) {
  const Tensors tensors(checkpoint);
  const bool with_head = head == HeadPolicy::must_fit || head_fits(tensors, network);
  const Shapes shapes = state_dict_shapes(network->architecture(), network->num_classes());
  for (const auto& [name, shape] : shapes) {
    if (!with_head && name.starts_with("fc.")) continue;
    tensors.check_shape(name, shape);
    tensors.check_values(name);
  }
  place_tensors(network, tensors, with_head, placing);

  Shapes used = shapes;
  // A head that was left out on purpose is no surprise.
  if (!with_head) used.insert(used.end(), {{"fc.weight", {}}, {"fc.bias", {}}});
  return warn_about_unused(checkpoint, used);
}

/// Blocks are counted up to the first without a conv1.weight: a tensor of a later one tells that it is
/// missing.
void check_blocks(const Checkpoint& checkpoint, const Architecture& architecture) {
  for (const auto& [name, tensor] : checkpoint.tensors) {
    for (std::size_t stage = 0; stage < architecture.layers.size(); ++stage) {
      const std::string prefix = "layer" + std::to_string(stage + 1) + ".";
      if (!name.starts_with(prefix)) continue;
      int index = 0;
      const char* end = name.data() + name.size();
      const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, index);
      const int count = architecture.layers[stage];
      if (error != std::errc() || stop == end || *stop != '.' || index < count) continue;
      throw Error(ErrorCode::mismatch, quote_path(checkpoint.path) + " has the tensor " + quote(name) +
                                           " but lacks '" + prefix + std::to_string(count) +
                                           ".conv1.weight'");
    }
  }
}

/// A network whose names have something before them yet is one of several, or not alone with its names.
/// @param prefixes of the networks in it
void require_one_network(const Checkpoint& checkpoint, const std::vector<std::string>& prefixes) {
  if (prefixes.empty() || std::ranges::find(prefixes, "") != prefixes.end()) return;
  std::string listed;
  for (const std::string& prefix : prefixes) listed += (listed.empty() ? "" : ", ") + quote(prefix);
  throw Error(ErrorCode::mismatch,
              quote_path(checkpoint.path) +
                  (prefixes.size() > 1 ? " has the tensors of several ResNets (under " + listed + ")"
                                       : " has the tensors of a ResNet under " + listed +
                                             " and others that have the same names without it") +
                  ", expected those of one");
}

/// Infers the architecture without a check of all shapes.
InferredArchitecture infer_blocks(const Checkpoint& checkpoint) {
  const Tensors tensors(checkpoint);
  const std::vector<std::string> prefixes = network_prefixes(checkpoint.tensors);
  require_one_network(checkpoint, prefixes);
  InferredArchitecture inferred;
  try {
    refuse_variants(checkpoint.tensors);
    inferred = infer_architecture([&](const std::string& name) -> std::optional<Shape> {
      const at::Tensor* tensor = tensors.find(name);
      return tensor ? std::optional(tensor->sizes().vec()) : std::nullopt;
    });
  } catch (const Error& error) {
    const bool named_otherwise =
        prefixes.empty() && !checkpoint.tensors.empty() && !tensors.find("conv1.weight");
    throw Error(error.code(),
                quote_path(checkpoint.path) + " is " + error.what() +
                    (named_otherwise ? ", but " + quote(checkpoint.tensors.front().first) : ""));
  }
  check_blocks(checkpoint, inferred.architecture);
  if (inferred.num_classes > 0) return inferred;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (name.starts_with("fc.")) {
      throw Error(ErrorCode::mismatch, quote_path(checkpoint.path) + " has a head of several layers (" +
                                           quote(name) + "), expected one: 'fc.weight' and 'fc.bias'");
    }
  }
  return inferred;
}

/// A quantized file's tensors as the state dict of an fp32 network.
Checkpoint checked_and_dequantized(const Checkpoint& checkpoint, const ModelInfo& info) {
  const std::string where = quote_path(checkpoint.path);
  if (!info.quantization) {
    throw Error(
        ErrorCode::mismatch,
        where + " has quantized weights; its description lacks the \"quantization\" that belongs to them");
  }
  const InferredArchitecture inferred = infer_blocks(checkpoint);
  check_quantization(*info.quantization, inferred.architecture, where);
  return dequantized(checkpoint, inferred, info.preprocessing);
}

/// The digest of the file's tensors must be the one that the file states, if any.
void check_digest(const std::filesystem::path& path, const std::string& digest, const std::string& stated) {
  if (stated.empty() || stated == digest) return;
  throw Error(ErrorCode::format, quote_path(path) +
                                     " is damaged, or its weights were changed and its description was not: "
                                     "they have the digest " +
                                     digest + ", the description states " + quote(stated));
}

/// The classes by the order of precedence that load_model documents.
void find_classes(Model& model, const std::filesystem::path& path, const std::filesystem::path& labels_file,
                  OwnClasses own_classes, int num_classes) {
  std::vector<std::string>& classes = model.info.classes;
  if (!labels_file.empty()) {
    classes = read_fitting_labels(labels_file, static_cast<std::size_t>(num_classes));
    return;
  }
  if (num_classes == 0) {  // without a head there is nothing to name
    classes.clear();
    return;
  }
  if (!classes.empty() && own_classes == OwnClasses::must_fit)
    require_fitting(classes, static_cast<std::size_t>(num_classes), quote_path(path));
  const std::filesystem::path beside = path.parent_path() / "class_indices.json";
  std::error_code ignored;
  if (!std::filesystem::exists(beside, ignored)) return;
  try {
    if (classes.empty()) {
      classes = read_fitting_labels(beside, static_cast<std::size_t>(num_classes));
    } else if (read_labels(beside) != classes) {
      model.warnings.push_back(quote_path(beside) + " differs from the classes that " + quote_path(path) +
                               " itself names; it is ignored");
    }
  } catch (const Error& error) {
    model.warnings.push_back(std::string(error.what()) + "; it is ignored");
  }
}

/// What timm says of weights that say nothing of themselves.
void describe_by_timm(Model& model, const Checkpoint& checkpoint, const InferredArchitecture& inferred) {
  if (!checkpoint.info.is_null()) return;
  try {
    const std::filesystem::path beside = checkpoint.path.parent_path() / "config.json";
    const std::optional<TimmConfig> config = read_timm_config(beside, inferred);
    if (!config) return;
    model.info.preprocessing = config->preprocessing;
    if (model.info.classes.empty()) model.info.classes = config->classes;
  } catch (const Error& error) {
    model.warnings.push_back(std::string(error.what()) + "; it is ignored");
  }
}

/// A checkpoint that this project wrote: others may hold what a checkpoint as read does not.
Checkpoint read_own_checkpoint(const std::filesystem::path& path) {
  Checkpoint checkpoint = read_checkpoint(path);
  if (!checkpoint.info.is_object()) {
    throw Error(ErrorCode::unsupported,
                quote_path(path) +
                    " does not describe itself, and what else it may hold is not to be lost; "
                    "make a model file of it with 'resnet convert'");
  }
  return checkpoint;
}

/// The network and the classes of a file whose description was read.
void make_network(Model& model, const Checkpoint& checkpoint, const std::filesystem::path& labels_file,
                  OwnClasses own_classes) {
  const Checkpoint weights =
      is_quantized(checkpoint) ? checked_and_dequantized(checkpoint, model.info) : checkpoint;
  const InferredArchitecture inferred = infer_architecture(weights);
  model.info.architecture = inferred.architecture;
  find_classes(model, checkpoint.path, labels_file, own_classes, inferred.num_classes);
  describe_by_timm(model, checkpoint, inferred);
  model.network = make_resnet(inferred.architecture, inferred.num_classes, InitialWeights::unset);
  std::vector<std::string> warnings = fill(model.network, weights, HeadPolicy::must_fit, Placing::share);
  model.warnings.insert(model.warnings.begin(), warnings.begin(), warnings.end());
  model.network->eval();
}

}  // namespace

const Architecture& Model::architecture() const { return network->architecture(); }

int Model::num_classes() const { return network->num_classes(); }

std::vector<std::string> load_state_dict(ResNet& network, const Checkpoint& checkpoint, HeadPolicy head) {
  return fill(network, checkpoint, head, Placing::copy);
}

InferredArchitecture infer_architecture(const Checkpoint& checkpoint) {
  if (is_quantized(checkpoint)) {
    throw Error(ErrorCode::unsupported,
                quote_path(checkpoint.path) + " is a quantized model; give the one that it was made of");
  }
  const InferredArchitecture inferred = infer_blocks(checkpoint);
  const Tensors tensors(checkpoint);
  for (const auto& [name, shape] : state_dict_shapes(inferred.architecture, inferred.num_classes))
    tensors.check_shape(name, shape);
  return inferred;
}

Model load_model(const std::filesystem::path& path, const std::filesystem::path& labels_file,
                 OwnClasses own_classes, std::shared_ptr<const FileBytes> bytes, const UseModel& use) {
  Checkpoint checkpoint = read_checkpoint(path, std::move(bytes));
  Model model;
  model.info = model_info_from_json(checkpoint.info, ModelInfo{}, quote_path(path));
  const std::string stated = model.info.digest;
  // Takes as long as the rest, and so goes beside it.
  RunningDigest digest(checkpoint.tensors);
  try {
    make_network(model, checkpoint, labels_file, own_classes);
    checkpoint = {};  // the network has the tensors now
    if (use) use(model, [&](const std::string& name) { digest.wait_for(name); });
  } catch (const Error&) {
    check_digest(path, digest.get(), stated);  // damage says more than what follows from it
    throw;
  }
  model.info.digest = digest.get();
  check_digest(path, model.info.digest, stated);
  return model;
}

void save_model(const std::filesystem::path& path, const ResNet& network, ModelInfo info) {
  info.architecture = network->architecture();
  NamedTensors tensors;
  if (info.quantization) {
    check_quantization(*info.quantization, info.architecture, "cannot write " + quote_path(path));
    tensors = quantized_state(network);
    Checkpoint written;
    written.path = path;
    written.tensors = tensors;
    dequantized(written, {info.architecture, network->num_classes()},
                info.preprocessing);  // as it will be read
  } else {
    tensors = network->state_dict();
    for (auto& entry : tensors) entry.second = entry.second.cpu().contiguous();
  }
  info.digest = tensor_digest(tensors);
  write_checkpoint(path, tensors, to_json(info));
}

ModelInfo read_model_info(const std::filesystem::path& path) {
  const Checkpoint checkpoint = read_own_checkpoint(path);
  ModelInfo info = model_info_from_json(checkpoint.info, ModelInfo{}, quote_path(path));
  const std::string digest = tensor_digest(checkpoint.tensors);
  check_digest(path, digest, info.digest);
  info.digest = digest;
  return info;
}

void change_model_info(const std::filesystem::path& path, const ModelInfo& info) {
  const Checkpoint checkpoint = read_own_checkpoint(path);
  if (tensor_digest(checkpoint.tensors) != info.digest) {
    throw Error(ErrorCode::mismatch,
                quote_path(path) + " has other weights than before; somebody wrote it in the meantime");
  }
  if (checkpoint.format == CheckpointFormat::safetensors) {
    write_safetensors(path, checkpoint.tensors, to_json(info));
  } else {
    write_pth(path, checkpoint.tensors, to_json(info));
  }
}

}  // namespace resnet
