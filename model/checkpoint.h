#ifndef RESNET_MODEL_CHECKPOINT_H
#define RESNET_MODEL_CHECKPOINT_H

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include "model/file_io.h"

namespace resnet {

enum class CheckpointFormat : std::uint8_t { torch_zip, torch_legacy, torch_tar, safetensors };

/// "zip (torch.save)", "legacy stream (torch.save)", "legacy tar (torch.save)", "safetensors".
std::string to_string(CheckpointFormat format);

/// "float32", "int8", "bool": as PyTorch's users call it.
std::string dtype_name(at::ScalarType type);

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// A file of named tensors, as read. Tensors are contiguous, on the CPU, in host byte order, with
/// the type that the file stores.
struct Checkpoint {
  std::filesystem::path path;
  CheckpointFormat format = CheckpointFormat::torch_zip;
  NamedTensors tensors;  ///< in the file's order, under the state dict's own names
  nlohmann::json info;   ///< what the file says about itself (see ModelInfo); null: nothing
  /// What was unwrapped: "state dict found under 'model'", "prefix 'module.' removed".
  std::vector<std::string> notes;

  /// The tensor of that name, or nullptr.
  const at::Tensor* find(std::string_view name) const;
};

/// Reads a checkpoint and executes nothing of it. The policy of what is refused is in the .cpp files
/// of each format. Wrapped state dicts are unwrapped, and names get torchvision's (normalise_names).
/// The whole file is read once with pread. Large tensors whose bytes stand in the file as they are needed
/// keep its memory, the others are copied: peak memory is the file's size plus those.
/// @param bytes the file's, which the checkpoint takes over; nullptr: they are read here
/// @throws Error not_found, read, format: naming the file, what is wrong and what was expected
Checkpoint read_checkpoint(const std::filesystem::path& path,
                           std::shared_ptr<const FileBytes> bytes = nullptr);

/// Writes what torch.load(weights_only=True) reads: a STORED zip with the state dict as an OrderedDict
/// and, unless `info` is null, the record `extra/model.json`. Written to a temporary file, fsynced, renamed.
/// @throws Error write
void write_pth(const std::filesystem::path& path, const NamedTensors& tensors, const nlohmann::json& info);

/// Writes .safetensors; `info` goes into `__metadata__` as the string `resnet`. Temporary, fsync, rename.
/// @throws Error write
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const nlohmann::json& info);

/// write_safetensors for a path that ends with .safetensors, else write_pth.
void write_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors,
                      const nlohmann::json& info);

}  // namespace resnet

#endif
