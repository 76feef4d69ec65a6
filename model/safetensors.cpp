#include <algorithm>
#include <array>
#include <numeric>

#include <ATen/ops/empty.h>

#include "model/byte_reader.h"
#include "model/byte_writer.h"
#include "model/error.h"
#include "model/file_io.h"
#include "model/json_reader.h"
#include "model/quote.h"
#include "model/tensor_names.h"
#include "model/torch_formats.h"

namespace resnet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t max_header = 100'000'000;
constexpr std::array<std::pair<std::string_view, at::ScalarType>, 14> types{{
    {"F64", at::ScalarType::Double},
    {"F32", at::ScalarType::Float},
    {"F16", at::ScalarType::Half},
    {"BF16", at::ScalarType::BFloat16},
    {"I64", at::ScalarType::Long},
    {"I32", at::ScalarType::Int},
    {"I16", at::ScalarType::Short},
    {"I8", at::ScalarType::Char},
    {"U8", at::ScalarType::Byte},
    {"BOOL", at::ScalarType::Bool},
    {"U16", at::ScalarType::UInt16},
    {"U32", at::ScalarType::UInt32},
    {"U64", at::ScalarType::UInt64},
    {"C64", at::ScalarType::ComplexFloat},
}};

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorCode::format, where + " " + message);
}

/// A tensor of the header, checked in itself.
struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;
};

std::uint64_t to_offset(const Json& value, const std::string& where, const std::string& name) {
  if (!value.is_number_unsigned())
    fail(where, "has the tensor " + name + " with a number that is not whole and non-negative");
  return value.get<std::uint64_t>();
}

Entry read_entry(const std::string& name, const Json& value, const std::string& where) {
  const std::string quoted = quote(name);
  if (!is_usable_name(name)) fail(where, "has a tensor with the unusable name " + quoted);
  const bool fits = value.is_object() && value.size() == 3 && value.contains("dtype") &&
                    value["dtype"].is_string() && value.contains("shape") && value["shape"].is_array() &&
                    value.contains("data_offsets") && value["data_offsets"].is_array() &&
                    value["data_offsets"].size() == 2;
  if (!fits) fail(where, "has the tensor " + quoted + " without exactly dtype, shape and data_offsets");
  const auto type_name = value["dtype"].get<std::string>();
  const auto type =
      std::find_if(types.begin(), types.end(), [&](const auto& known) { return known.first == type_name; });
  if (type == types.end()) {
    throw Error(ErrorCode::unsupported, where + " has the tensor " + quoted + " of the type " +
                                            quote(type_name) + ", which is not supported");
  }
  Entry entry{name, type->second, {}, 0, 0};
  std::int64_t size = static_cast<std::int64_t>(c10::elementSize(entry.type));
  if (value["shape"].size() > 16) fail(where, "has the tensor " + quoted + " with more than 16 dimensions");
  for (const Json& dimension : value["shape"]) {
    const std::uint64_t length = to_offset(dimension, where, quoted);
    const auto product =
        length > INT64_MAX ? std::nullopt : checked_multiply(size, static_cast<std::int64_t>(length));
    if (!product) fail(where, "has the tensor " + quoted + " with a shape that overflows");
    size = *product;
    entry.shape.push_back(static_cast<std::int64_t>(length));
  }
  entry.begin = to_offset(value["data_offsets"][0], where, quoted);
  entry.end = to_offset(value["data_offsets"][1], where, quoted);
  if (entry.end < entry.begin || entry.end - entry.begin != static_cast<std::uint64_t>(size)) {
    fail(where, "has the tensor " + quoted + " whose data_offsets do not fit its shape, which needs " +
                    std::to_string(size) + " bytes");
  }
  return entry;
}

/// Sorted by offset, the tensors leave no hole and do not overlap, and end where the file ends.
void check_layout(const std::vector<Entry>& entries, std::uint64_t size, const std::string& where) {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t position = 0;
  for (const Entry* entry : sorted) {
    if (entry->begin > position) fail(where, "has a hole in front of the tensor " + quote(entry->name));
    if (entry->begin < position)
      fail(where, "has the tensor " + quote(entry->name) + " overlapping another one");
    position = entry->end;
  }
  if (position > size)
    fail(where, "is truncated: its tensors need " + std::to_string(position) + " bytes, " +
                    std::to_string(size) + " are there");
  if (position < size)
    fail(where, "has " + std::to_string(size - position) + " bytes behind its last tensor");
}

void read_metadata(const Json& metadata, const std::string& where, Checkpoint& checkpoint) {
  if (!metadata.is_object()) fail(where, "has a __metadata__ that is no object");
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string()) fail(where, "has the __metadata__ " + quote(key) + " that is no string");
    if (key == "resnet") checkpoint.info = parse_info(value.get_ref<const std::string&>(), where);
  }
}

std::string_view type_name(at::ScalarType type, const std::filesystem::path& path, const std::string& name) {
  for (const auto& [known, candidate] : types) {
    if (candidate == type) return known;
  }
  throw Error(ErrorCode::write,
              "cannot write " + quote_path(path) + ": safetensors has no type for the tensor " + quote(name));
}

}  // namespace

void read_safetensors(const std::shared_ptr<const FileBytes>& file, const std::string& where,
                      Checkpoint& checkpoint) {
  ByteReader reader(file->span(), where);
  if (reader.left() < 8) fail(where, "is truncated: it is too short for a safetensors file");
  const std::uint64_t header_size = reader.u64();
  if (header_size > max_header)
    fail(where, "states a safetensors header of " + std::to_string(header_size) + " bytes, more than 100 MB");
  if (header_size > reader.left()) fail(where, "is truncated: its safetensors header ends behind its end");
  const std::string_view text = reader.take_text(header_size);
  if (text.empty() || text[0] != '{') fail(where, "has a safetensors header that does not begin with '{'");
  const Json header = parse_json(text, where + " (header)");

  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      read_metadata(value, where, checkpoint);
    } else {
      entries.push_back(read_entry(name, value, where));
    }
  }
  const auto data = reader.take(reader.left());
  check_layout(entries, data.size(), where);
  if (entries.empty()) fail(where, "holds no tensors, expected a state dict");
  TensorBuilder builder(file, where);
  for (const Entry& entry : entries) {
    TensorSource source;
    source.type = entry.type;
    source.disjoint = true;  // check_layout sees to that
    source.storage = data.subspan(static_cast<std::size_t>(entry.begin),
                                  static_cast<std::size_t>(entry.end - entry.begin));
    source.sizes = entry.shape;
    auto strides = contiguous_strides(entry.shape);
    if (!strides) fail(where, "has the tensor " + quote(entry.name) + " with a shape that overflows");
    source.strides = std::move(*strides);
    checkpoint.tensors.emplace_back(entry.name, builder.build(entry.name, source));
  }
  normalise_names(checkpoint);
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const nlohmann::json& info) {
  check_writable(path, tensors);
  // The header keeps the state dict's order; the data go largest type first, so that each is aligned to its
  // size.
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return tensors[a].second.element_size() > tensors[b].second.element_size();
  });
  std::vector<std::uint64_t> begins(tensors.size());
  std::uint64_t position = 0;
  for (const std::size_t i : order) {
    begins[i] = position;
    position += tensors[i].second.nbytes();
  }
  Json header = Json::object();
  header["__metadata__"]["format"] = "pt";
  if (!info.is_null())
    header["__metadata__"]["resnet"] = info.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& tensor = tensors[i].second;
    Json& entry = header[tensors[i].first];
    entry["dtype"] = type_name(tensor.scalar_type(), path, tensors[i].first);
    entry["shape"] = tensor.sizes().vec();
    entry["data_offsets"] = {begins[i], begins[i] + tensor.nbytes()};
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string size;
  append_little_endian(size, text.size(), 8);

  write_file_atomically(path, [&](FileWriter& out) {
    out.write(size);
    out.write(text);
    for (const std::size_t i : order) {
      const at::Tensor tensor = writable(tensors[i].second);
      out.write(tensor.const_data_ptr(), tensor.nbytes());
    }
  });
}

}  // namespace resnet
