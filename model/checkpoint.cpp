#include "model/checkpoint.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "model/error.h"
#include "model/json_reader.h"
#include "model/quote.h"
#include "model/torch_formats.h"

namespace resnet {
namespace {

constexpr std::size_t max_info = std::size_t{16} << 20;
/// What is written must be read again: a quarter of a gigabyte is left for names and what the file says of
/// itself.
constexpr std::uint64_t max_written = max_model_bytes - (std::uint64_t{256} << 20);

bool is_safetensors_name(const std::filesystem::path& path) { return has_extension(path, ".safetensors"); }

CheckpointFormat recognise(const FileBytes& file, const std::filesystem::path& path,
                           const std::string& where) {
  const std::string_view text = file.text();
  if (text.empty())
    throw Error(ErrorCode::format, where + " is empty, expected a checkpoint (.pth or .safetensors)");
  if (text.starts_with("PK\3\4")) return CheckpointFormat::torch_zip;
  if (text.starts_with("version https://git-lfs")) {
    throw Error(ErrorCode::format,
                where + " is a Git LFS pointer and not the file itself: run 'git lfs pull'");
  }
  if (is_tar(file.span())) return CheckpointFormat::torch_tar;
  if ((text.size() > 8 && text[8] == '{') || is_safetensors_name(path)) return CheckpointFormat::safetensors;
  if (text.starts_with('\x80')) return CheckpointFormat::torch_legacy;
  throw Error(
      ErrorCode::format,
      where + " is no checkpoint: expected a file of torch.save (zip, legacy or tar) or a .safetensors file");
}

TorchFile read_torch(CheckpointFormat format, const FileBytes& file, const std::string& where) {
  switch (format) {
    case CheckpointFormat::torch_zip:
      return read_torch_zip(file.span(), where);
    case CheckpointFormat::torch_legacy:
      return read_torch_legacy(file.span(), where);
    case CheckpointFormat::torch_tar:
    case CheckpointFormat::safetensors:
      break;
  }
  return read_torch_tar(file.span(), where);
}

}  // namespace

std::string to_string(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::torch_zip:
      return "zip (torch.save)";
    case CheckpointFormat::torch_legacy:
      return "legacy stream (torch.save)";
    case CheckpointFormat::torch_tar:
      return "legacy tar (torch.save)";
    case CheckpointFormat::safetensors:
      break;
  }
  return "safetensors";
}

std::string dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kByte:
      return "uint8";
    case at::kChar:
      return "int8";
    case at::kShort:
      return "int16";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    case at::kBool:
      return "bool";
    case at::kComplexFloat:
      return "complex64";
    case at::kComplexDouble:
      return "complex128";
    default:
      return c10::toString(type);
  }
}

const at::Tensor* Checkpoint::find(std::string_view name) const {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return &tensor;
  }
  return nullptr;
}

Checkpoint read_checkpoint(const std::filesystem::path& path, std::shared_ptr<const FileBytes> file) {
  const std::string where = quote_path(path);
  if (!file) file = std::make_shared<const FileBytes>(read_file(path, max_model_bytes));
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.format = recognise(*file, path, where);
  if (checkpoint.format == CheckpointFormat::safetensors) {
    read_safetensors(file, where, checkpoint);
  } else {
    const TorchFile torch = read_torch(checkpoint.format, *file, where);
    if (!torch.info.empty()) checkpoint.info = parse_info(torch.info, where);
    extract_state_dict(torch, file, where, checkpoint);
  }
  return checkpoint;
}

nlohmann::json parse_info(std::string_view text, const std::string& where) {
  if (text.size() > max_info)
    throw Error(ErrorCode::format, where + " has a model description of more than 16 MiB");
  return parse_json(text, where + " (its model description)");
}

bool is_usable_name(std::string_view name) {
  return !name.empty() && name.size() <= 1024 && name != "__metadata__" && is_plain_utf8(name);
}

at::Tensor writable(const at::Tensor& tensor) { return tensor.detach().to(at::kCPU).contiguous(); }

void check_writable(const std::filesystem::path& path, const NamedTensors& tensors) {
  std::unordered_set<std::string_view> names;
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::string start = "cannot write " + quote_path(path) + ": the tensor " + quote(name);
    if (!is_usable_name(name)) throw Error(ErrorCode::write, start + " has an unusable name");
    if (!names.insert(name).second) throw Error(ErrorCode::write, start + " is there twice");
    if (!tensor.defined()) throw Error(ErrorCode::write, start + " is not defined");
    bytes += std::min<std::uint64_t>(tensor.nbytes(), max_model_bytes);
  }
  if (bytes > max_written) {
    throw Error(ErrorCode::write, "cannot write " + quote_path(path) + ": its tensors have more than " +
                                      std::to_string(max_written) +
                                      " bytes, and such a file would not be read again");
  }
}

void write_checkpoint(const std::filesystem::path& path, const NamedTensors& tensors,
                      const nlohmann::json& info) {
  if (is_safetensors_name(path)) {
    write_safetensors(path, tensors, info);
  } else {
    write_pth(path, tensors, info);
  }
}

}  // namespace resnet
