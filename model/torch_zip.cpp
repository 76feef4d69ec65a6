#include <unordered_map>

#include "model/error.h"
#include "model/quote.h"
#include "model/torch_formats.h"
#include "model/zip_reader.h"

namespace resnet {
namespace {

using Entries = std::unordered_map<std::string, std::span<const std::uint8_t>>;

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The entries without their common top folder.
Entries entries_of(std::span<const std::uint8_t> bytes, const std::string& where) {
  Entries entries;
  std::string top;
  for (const ZipEntry& entry : read_zip(bytes, where)) {
    const std::size_t slash = entry.name.find('/');
    if (slash == std::string::npos || slash == 0) {
      throw Error(ErrorCode::format, where + " is a zip archive, but not one of torch.save: " +
                                         quote(entry.name) + " is in no folder");
    }
    const std::string folder = entry.name.substr(0, slash + 1);
    if (top.empty()) top = folder;
    if (folder != top)
      throw Error(ErrorCode::format,
                  where + " is a zip archive with several top folders, expected one as torch.save writes it");
    entries[entry.name.substr(slash + 1)] = entry.data;
  }
  return entries;
}

bool is_big_endian(const Entries& entries, const std::string& where) {
  const auto order = entries.find("byteorder");
  if (order == entries.end() || as_text(order->second) == "little") return false;
  if (as_text(order->second) == "big") return true;
  throw Error(ErrorCode::format, where + " states the byte order " + quote(as_text(order->second)) +
                                     ", expected 'little' or 'big'");
}

std::span<const std::uint8_t> storage_bytes(const Entries& entries, const PickleValue& storage,
                                            const std::string& where) {
  const std::string record = "data/" + std::string(storage.text);
  const auto found = entries.find(record);
  if (found == entries.end()) throw Error(ErrorCode::format, where + " lacks the record " + quote(record));
  const auto size =
      checked_multiply(storage.integer, static_cast<std::int64_t>(c10::elementSize(storage.type)));
  if (!size || static_cast<std::uint64_t>(*size) != found->second.size()) {
    throw Error(ErrorCode::format,
                where + " has a record " + quote(record) + " of " + std::to_string(found->second.size()) +
                    " bytes, but its tensors need " + (size ? std::to_string(*size) : "far more"));
  }
  return found->second;
}

}  // namespace

TorchFile read_torch_zip(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto entries = std::make_shared<const Entries>(entries_of(bytes, where));
  if (entries->contains("constants.pkl") || entries->contains("model.json")) {
    throw Error(ErrorCode::unsupported, where +
                                            " is a TorchScript archive, expected a state dict: in Python, "
                                            "torch.save(torch.jit.load(…).state_dict(), …)");
  }
  const auto pickle = entries->find("data.pkl");
  if (pickle == entries->end())
    throw Error(ErrorCode::format,
                where + " is a zip archive without data.pkl, so torch.save did not write it");
  const bool big_endian = is_big_endian(*entries, where);

  TorchFile file;
  file.reader = std::make_shared<PickleReader>(pickle->second, where);
  file.root = &file.reader->read();
  if (file.reader->bytes().left() != 0)
    throw Error(ErrorCode::format, where + " has data behind the pickle in data.pkl");
  for (const PickleValue* storage : file.reader->storages()) {
    if (!storage->items.empty())
      throw Error(ErrorCode::format,
                  where + " has a storage that is a view, which the zip format does not know");
    storage_bytes(*entries, *storage, where);
  }
  file.locate = [entries, where, big_endian](const PickleValue& tensor) {
    TensorSource source = view_of(tensor, where);
    source.storage = storage_bytes(*entries, *tensor.items[0], where);
    source.disjoint = true;  // read_zip sees to that
    source.big_endian = big_endian;
    return source;
  };
  if (const auto info = entries->find("extra/model.json"); info != entries->end())
    file.info = as_text(info->second);
  return file;
}

}  // namespace resnet
