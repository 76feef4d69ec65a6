#ifndef RESNET_MODEL_TORCH_FORMATS_H
#define RESNET_MODEL_TORCH_FORMATS_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "model/checkpoint.h"
#include "model/pickle_reader.h"
#include "model/tensor_source.h"

namespace resnet {

/// A file of torch.save, parsed, its tensors not taken out yet: what it holds, and where the tensors' bytes
/// are. Points into the file's bytes.
struct TorchFile {
  std::shared_ptr<PickleReader> reader;  ///< owns the values
  const PickleValue* root = nullptr;
  /// The bytes of a tensor or reference that `root` holds.  @throws Error format
  std::function<TensorSource(const PickleValue& tensor)> locate;
  std::string_view info;  ///< `extra/model.json`, if any
};

/// The zip format (PyTorch 1.6 and later).
/// @param where the quoted file name, for errors.  @throws Error format
TorchFile read_torch_zip(std::span<const std::uint8_t> bytes, const std::string& where);

/// The stream of five pickles and raw storages (PyTorch 0.1.10 to 1.5).
TorchFile read_torch_legacy(std::span<const std::uint8_t> bytes, const std::string& where);

/// The tar format (before PyTorch 0.1.10).
TorchFile read_torch_tar(std::span<const std::uint8_t> bytes, const std::string& where);

/// Whether the bytes begin with a tar header: the old format has no magic bytes but the header's checksum.
bool is_tar(std::span<const std::uint8_t> bytes);

/// The numbers of a tensor value of a pickle: offset, sizes, strides.  @throws Error format
TensorSource view_of(const PickleValue& tensor, const std::string& where);

/// Finds the state dict in `file`, bare or wrapped, removes prefixes and takes its tensors out.
/// Fills checkpoint.tensors and checkpoint.notes.  @throws Error format
void extract_state_dict(const TorchFile& file, const std::shared_ptr<const FileBytes>& bytes,
                        const std::string& where, Checkpoint& checkpoint);

/// Reads .safetensors.  Fills tensors, info and notes.  @throws Error format
void read_safetensors(const std::shared_ptr<const FileBytes>& file, const std::string& where,
                      Checkpoint& checkpoint);

/// The document that a file carries about itself.
nlohmann::json parse_info(std::string_view text, const std::string& where);

/// Whether a tensor may have that name: 1 to 1024 bytes of plain UTF-8, and not safetensors' "__metadata__".
bool is_usable_name(std::string_view name);

/// A contiguous copy on the CPU of what is to be written, or the tensor itself if it is that already.
at::Tensor writable(const at::Tensor& tensor);

/// @throws Error write for a name that is there twice, empty or no plain UTF-8, and for tensors that are not
/// defined
void check_writable(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace resnet

#endif
