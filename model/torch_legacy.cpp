#include <unordered_map>

#include "model/error.h"
#include "model/quote.h"
#include "model/torch_formats.h"

namespace resnet {
namespace {

/// 0x1950A86A20F9469CFC6C, little-endian, as LONG1 holds it.
constexpr std::string_view magic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::int64_t protocol_version = 1001;

using Storages = std::unordered_map<std::string_view, std::span<const std::uint8_t>>;

/// What the pickle said about the storage of a key.
struct Declared {
  at::ScalarType type;
  std::int64_t elements;
};

std::unordered_map<std::string_view, Declared> declared_storages(const PickleReader& reader) {
  std::unordered_map<std::string_view, Declared> declared;
  for (const PickleValue* storage : reader.storages()) {
    const auto [known, inserted] =
        declared.try_emplace(storage->text, Declared{storage->type, storage->integer});
    if (!inserted && (known->second.type != storage->type || known->second.elements != storage->integer)) {
      return {};
    }
  }
  return declared;
}

/// The raw storages behind the pickles, in the order of their keys: an element count, then the bytes.
/// Always little-endian, whatever machine wrote them.
Storages read_storages(PickleReader& reader, const PickleValue& keys, const std::string& where) {
  auto declared = declared_storages(reader);
  if (declared.empty() && !reader.storages().empty()) {
    throw Error(ErrorCode::format, where + " is damaged: it gives one storage two types or sizes");
  }
  if (!keys.is(PickleKind::list) || keys.items.size() != declared.size()) {
    throw Error(ErrorCode::format, where + " is damaged: its list of storages is not that of its tensors");
  }
  Storages storages;
  for (const PickleValue* key : keys.items) {
    const auto known = key->is(PickleKind::string) ? declared.find(key->text) : declared.end();
    if (known == declared.end() || storages.contains(key->text)) {
      throw Error(ErrorCode::format,
                  where + " is damaged: it lists a storage that no tensor uses, or one twice");
    }
    const std::int64_t elements = reader.bytes().i64();
    const auto size =
        checked_multiply(elements, static_cast<std::int64_t>(c10::elementSize(known->second.type)));
    if (elements != known->second.elements || !size) {
      throw Error(ErrorCode::format, where + " is damaged: a storage has " + std::to_string(elements) +
                                         " elements, but its tensors need " +
                                         std::to_string(known->second.elements));
    }
    storages[key->text] = reader.bytes().take(static_cast<std::uint64_t>(*size));
  }
  return storages;
}

/// The whole storage, or the part of it that a view keeps.
std::span<const std::uint8_t> bytes_of(const Storages& storages, const PickleValue& storage,
                                       const std::string& where) {
  const auto bytes = storages.at(storage.text);
  if (storage.items.empty()) return bytes;
  const std::int64_t offset = storage.items[1]->integer, size = storage.items[2]->integer;
  if (offset < 0 || size < 0 || offset > storage.integer || size > storage.integer - offset) {
    throw Error(ErrorCode::format, where + " is damaged: a view reaches behind the end of its storage");
  }
  const std::size_t item = c10::elementSize(storage.type);
  return bytes.subspan(static_cast<std::size_t>(offset) * item, static_cast<std::size_t>(size) * item);
}

}  // namespace

TorchFile read_torch_legacy(std::span<const std::uint8_t> bytes, const std::string& where) {
  TorchFile file;
  file.reader = std::make_shared<PickleReader>(bytes, where);
  PickleReader& reader = *file.reader;
  if (reader.read().text != magic) {
    throw Error(
        ErrorCode::format,
        where +
            " is a Python pickle, but not one of torch.save: it does not begin with PyTorch's magic number");
  }
  const PickleValue& version = reader.read();
  if (!version.is(PickleKind::integer) || version.integer != protocol_version) {
    throw Error(ErrorCode::format, where + " has another version of the legacy format than 1001");
  }
  if (!reader.read().is(PickleKind::dict))
    throw Error(ErrorCode::format, where + " is damaged: its system information is no dict");
  file.root = &reader.read();
  const PickleValue& keys = reader.read();
  const auto storages = std::make_shared<const Storages>(read_storages(reader, keys, where));
  if (reader.bytes().left() != 0) throw Error(ErrorCode::format, where + " has data behind its last tensor");

  file.locate = [storages, where](const PickleValue& tensor) {
    TensorSource source = view_of(tensor, where);
    source.storage = bytes_of(*storages, *tensor.items[0], where);
    return source;
  };
  return file;
}

}  // namespace resnet
