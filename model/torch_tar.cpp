#include <algorithm>
#include <charconv>
#include <map>

#include "model/error.h"
#include "model/pickle_globals.h"
#include "model/quote.h"
#include "model/torch_formats.h"

namespace resnet {
namespace {

constexpr std::size_t block = 512;
constexpr std::int64_t max_objects = 100000;

using Bytes = std::span<const std::uint8_t>;

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorCode::format, where + " " + message);
}

/// An octal number of a tar header, ended by a space or NUL.
std::optional<std::uint64_t> octal(Bytes field) {
  std::uint64_t value = 0;
  bool any = false;
  for (const std::uint8_t byte : field) {
    if (byte == ' ' && !any) continue;
    if (byte == ' ' || byte == 0) break;
    if (byte < '0' || byte > '7') return std::nullopt;
    value = value << 3 | static_cast<std::uint64_t>(byte - '0');
    any = true;
  }
  return any ? std::optional(value) : std::nullopt;
}

bool header_is_sound(Bytes header) {
  std::uint64_t sum = 8 * std::uint64_t{' '};
  for (std::size_t i = 0; i < block; ++i) sum += i >= 148 && i < 156 ? 0 : header[i];
  return octal(header.subspan(148, 8)) == sum;
}

bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// The members by name.
std::map<std::string, Bytes> read_tar(Bytes bytes, const std::string& where) {
  std::map<std::string, Bytes> members;
  std::size_t position = 0;
  while (true) {
    if (bytes.size() - position < block) fail(where, "is truncated: its tar archive has no end");
    const Bytes header = bytes.subspan(position, block);
    position += block;
    if (is_zero(header)) break;
    if (!header_is_sound(header)) fail(where, "has a damaged tar header");
    const auto size = octal(header.subspan(124, 12));
    if (!size || *size > bytes.size() - position)
      fail(where, "is truncated: a member of its tar archive ends behind its end");
    const Bytes data = bytes.subspan(position, static_cast<std::size_t>(*size));
    const std::size_t padded = (data.size() + block - 1) / block * block;
    if (padded > bytes.size() - position)
      fail(where, "is truncated: a member of its tar archive ends behind its end");
    position += padded;
    const char kind = static_cast<char>(header[156]);
    if (kind == 'x') continue;  // PAX: times and owners of the next member
    if (kind != '0' && kind != 0)
      fail(where, "has a tar member that is no plain file, which torch.save never wrote");
    const auto* text = reinterpret_cast<const char*>(header.data());
    std::string name(text, std::find(text, text + 100, '\0'));
    if (!members.emplace(name, data).second) fail(where, "has the tar member " + quote(name) + " twice");
  }
  if (!is_zero(bytes.subspan(position))) fail(where, "has data behind the end of its tar archive");
  return members;
}

Bytes member(const std::map<std::string, Bytes>& members, const std::string& name, const std::string& where) {
  const auto found = members.find(name);
  if (found == members.end())
    fail(where, "is a tar archive without the member " + quote(name) + ", so torch.save did not write it");
  return found->second;
}

struct Storage {
  at::ScalarType type;
  Bytes bytes;
};

/// `storages`: a count; for each (key, device, class), an element count and the bytes; then a list of views.
std::map<std::int64_t, Storage> read_storages(Bytes bytes, const std::string& where) {
  PickleReader reader(bytes, where);
  const PickleValue& count = reader.read();
  if (!count.is(PickleKind::integer) || count.integer < 0 || count.integer > max_objects)
    fail(where, "has a damaged number of storages");
  std::map<std::int64_t, Storage> storages;
  for (std::int64_t i = 0; i < count.integer; ++i) {
    const PickleValue& entry = reader.read();
    const bool fits = entry.is(PickleKind::tuple) && entry.items.size() == 3 &&
                      entry.items[0]->is(PickleKind::integer) && entry.items[2]->is(PickleKind::global) &&
                      entry.items[2]->global == PickleGlobal::storage_class;
    if (!fits) fail(where, "is damaged: a storage is not described by key, device and class");
    const at::ScalarType type = entry.items[2]->type;
    const auto size =
        checked_multiply(reader.bytes().i64(), static_cast<std::int64_t>(c10::elementSize(type)));
    if (!size) fail(where, "is damaged: a storage has an impossible size");
    const Storage storage{type, reader.bytes().take(static_cast<std::uint64_t>(*size))};
    if (!storages.emplace(entry.items[0]->integer, storage).second) fail(where, "has one storage twice");
  }
  const PickleValue& views = reader.read();
  if (!views.is(PickleKind::list)) fail(where, "is damaged: its storage views are no list");
  for (const PickleValue* view : views.items) {
    const bool fits = (view->is(PickleKind::tuple) || view->is(PickleKind::list)) &&
                      view->items.size() == 4 &&
                      std::all_of(view->items.begin(), view->items.end(),
                                  [](const PickleValue* item) { return item->is(PickleKind::integer); });
    const auto root = fits ? storages.find(view->items[1]->integer) : storages.end();
    if (root == storages.end())
      fail(where, "is damaged: a storage view is not key, storage, offset and size");
    const auto item = static_cast<std::int64_t>(c10::elementSize(root->second.type));
    const auto offset = checked_multiply(view->items[2]->integer, item),
               size = checked_multiply(view->items[3]->integer, item);
    const auto total = static_cast<std::int64_t>(root->second.bytes.size());
    if (!offset || !size || *offset > total || *size > total - *offset)
      fail(where, "is damaged: a view reaches behind the end of its storage");
    const Storage part{root->second.type, root->second.bytes.subspan(static_cast<std::size_t>(*offset),
                                                                     static_cast<std::size_t>(*size))};
    if (!storages.emplace(view->items[0]->integer, part).second) fail(where, "has one storage twice");
  }
  if (reader.bytes().left() != 0) fail(where, "has data behind its last storage");
  return storages;
}

/// `tensors`: a count; for each (key, storage, class), then dimensions, sizes, strides and offset as raw
/// numbers.
std::map<std::int64_t, TensorSource> read_tensors(Bytes bytes,
                                                  const std::map<std::int64_t, Storage>& storages,
                                                  const std::string& where) {
  PickleReader reader(bytes, where);
  const PickleValue& count = reader.read();
  if (!count.is(PickleKind::integer) || count.integer < 0 || count.integer > max_objects)
    fail(where, "has a damaged number of tensors");
  std::map<std::int64_t, TensorSource> tensors;
  for (std::int64_t i = 0; i < count.integer; ++i) {
    const PickleValue& entry = reader.read();
    const bool fits = entry.is(PickleKind::tuple) && entry.items.size() == 3 &&
                      entry.items[0]->is(PickleKind::integer) && entry.items[1]->is(PickleKind::integer);
    const auto storage = fits ? storages.find(entry.items[1]->integer) : storages.end();
    if (storage == storages.end())
      fail(where, "is damaged: a tensor is not described by key, storage and class");
    TensorSource source;
    source.type = storage->second.type;
    source.storage = storage->second.bytes;
    const std::uint32_t dimensions = reader.bytes().u32();
    if (dimensions > 16) fail(where, "is damaged: a tensor has more than 16 dimensions");
    reader.bytes().take(4);  // the count took eight bytes once
    for (std::uint32_t d = 0; d < dimensions; ++d) source.sizes.push_back(reader.bytes().i64());
    for (std::uint32_t d = 0; d < dimensions; ++d) source.strides.push_back(reader.bytes().i64());
    source.offset = reader.bytes().i64();
    if (!tensors.emplace(entry.items[0]->integer, source).second) fail(where, "has one tensor twice");
  }
  if (reader.bytes().left() != 0) fail(where, "has data behind its last tensor");
  return tensors;
}

std::int64_t key_of(const PickleValue& reference, const std::string& where) {
  if (reference.text.empty()) return reference.integer;
  std::int64_t key = 0;
  const char* end = reference.text.data() + reference.text.size();
  const auto [stop, error] = std::from_chars(reference.text.data(), end, key);
  if (error != std::errc() || stop != end)
    fail(where, "is damaged: it refers to the tensor " + quote(reference.text) + ", which is no number");
  return key;
}

}  // namespace

bool is_tar(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= block && bytes[0] != 0 && header_is_sound(bytes.first(block));
}

TorchFile read_torch_tar(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto members = read_tar(bytes, where);
  const auto tensors = std::make_shared<const std::map<std::int64_t, TensorSource>>(read_tensors(
      member(members, "tensors", where), read_storages(member(members, "storages", where), where), where));
  TorchFile file;
  file.reader = std::make_shared<PickleReader>(member(members, "pickle", where), where);
  file.root = &file.reader->read();
  if (file.reader->bytes().left() != 0) fail(where, "has data behind its pickle");
  file.locate = [tensors, where](const PickleValue& value) {
    if (!value.is(PickleKind::reference))
      fail(where, "is damaged: it describes a tensor in the way of a later format");
    const auto found = tensors->find(key_of(value, where));
    if (found == tensors->end()) fail(where, "is damaged: it refers to a tensor that it does not hold");
    return found->second;
  };
  return file;
}

}  // namespace resnet
