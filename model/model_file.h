#ifndef RESNET_MODEL_MODEL_FILE_H
#define RESNET_MODEL_MODEL_FILE_H

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/model_info.h"
#include "model/resnet_fwd.h"

namespace resnet {

/// A network ready to run, and what its file says about it.
struct Model {
  /// fp32, on the CPU, in eval mode; of a quantized file its weights are the dequantized ones
  ResNet network;
  ModelInfo info;                     ///< classes may be empty: the file does not say
  std::vector<std::string> warnings;  ///< one sentence each: extra tensors ignored, labels that differ, …

  const Architecture& architecture() const;
  int num_classes() const;  ///< 0: no head
};

/// Returns when the network's tensor of that name ("layer1.0.conv1.weight") may be changed.
using AwaitTensor = std::function<void(const std::string& name)>;
using UseModel = std::function<void(const Model& model, const AwaitTensor& await)>;

/// Infers the architecture and the class count (0: no head) of a checkpoint, and checks that each tensor
/// which such a network needs is there in its shape, so that memory may then be allocated for one.
/// @throws Error unsupported "'FILE' is not a supported ResNet: …"; mismatch naming the tensor, the shape
/// found and the shape needed; unsupported for a quantized file
InferredArchitecture infer_architecture(const Checkpoint& checkpoint);

/// What to do about the head (`fc`) when weights are loaded into a network.
enum class HeadPolicy : std::uint8_t {
  must_fit,            ///< a head of another size is an error
  keep_when_different  ///< a head of another size, or none, leaves the network's own: transfer learning
};

/// Copies a checkpoint's tensors into `network`, converted to fp32. Every tensor is checked first: there,
/// of the shape needed, finite, running_var ≥ 0; only then is anything copied. A missing
/// num_batches_tracked is 0. @return warnings: one that counts and names the tensors that the network does
/// not use.
/// @throws Error mismatch, format naming the tensor, the shape found and the shape needed
std::vector<std::string> load_state_dict(ResNet& network, const Checkpoint& checkpoint,
                                         HeadPolicy head = HeadPolicy::must_fit);

/// What to do about classes that a file names and that are not as many as its head has.
enum class OwnClasses : std::uint8_t {
  must_fit,   ///< they are an error, unless there is a labels file
  may_misfit  ///< they are kept: each of the model's users may have a labels file of its own
};

/// Loads a model for inference: infers architecture and class count, checks all tensors and, where the file
/// states one, their digest; finds the classes:
/// `labels_file` unless empty (one that does not fit the head is an error), else the file's own, else a
/// fitting class_indices.json beside it (one that does not fit, or differs from the file's own, is a
/// warning), else those of a timm config.json beside it, which tells the preprocessing too of a file that
/// says nothing of itself.
/// @param bytes the file's, which the model takes over; nullptr: they are read here
/// @param use called with the model, which has no digest yet, while that is computed
/// @throws Error, and what `use` throws unless the file's digest is not the one that it states
Model load_model(const std::filesystem::path& path, const std::filesystem::path& labels_file = {},
                 OwnClasses own_classes = OwnClasses::must_fit,
                 std::shared_ptr<const FileBytes> bytes = nullptr, const UseModel& use = {});

/// Writes network and info to `path` (.safetensors by its ending, else .pth); info.architecture and
/// info.digest are taken from the network. With info.quantization its weights are written quantized (see
/// model/quantized_state.h); loaded and written again they are the same. Temporary file, fsync, rename.
/// @throws Error write; mismatch, format for a quantization that does not fit the network
void save_model(const std::filesystem::path& path, const ResNet& network, ModelInfo info);

/// What a model file says about itself, for change_model_info.
/// @throws Error as read_checkpoint; unsupported for one that says nothing: this project did not write it
ModelInfo read_model_info(const std::filesystem::path& path);

/// Replaces what a model file says about itself; its format and each bit of its tensors stay as they are.
/// Temporary file, fsync, rename.
/// @param info what read_model_info returned, changed
/// @throws Error as read_model_info, whose files alone hold nothing that would be lost; mismatch when the
/// file's tensors are no longer those of info.digest; write
void change_model_info(const std::filesystem::path& path, const ModelInfo& info);

}  // namespace resnet

#endif
