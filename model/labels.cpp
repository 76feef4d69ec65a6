#include "model/labels.h"

#include <charconv>
#include <optional>

#include <nlohmann/json.hpp>

#include "model/error.h"
#include "model/file_io.h"
#include "model/json_reader.h"
#include "model/quote.h"

namespace resnet {
namespace {

constexpr std::uint64_t kMaxBytes = 64 << 20;

/// The number that a key such as "12" is; nothing for "012", "+1", "1 " or what does not fit.
std::optional<std::size_t> index_of(const std::string& key) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), value);
  if (error != std::errc() || end != key.data() + key.size() || std::to_string(value) != key) return {};
  return value;
}

}  // namespace

std::vector<std::string> read_labels(const std::filesystem::path& path) {
  const std::string where = quote_path(path);
  const FileBytes bytes = read_file(path, kMaxBytes);
  const nlohmann::ordered_json document = parse_json(bytes.text(), where);
  if (!document.is_object() || document.empty()) {
    throw Error(ErrorCode::format, where + " holds no labels: expected an object such as {\"0\": \"daisy\"}");
  }
  if (document.size() > max_labels) {
    throw Error(ErrorCode::format,
                where + " has " + std::to_string(document.size()) + " labels; at most 100,000 are supported");
  }
  std::vector<std::string> labels(document.size());
  for (const auto& [key, value] : document.items()) {
    // No key comes twice, so n keys below n are 0…n−1.
    const std::optional<std::size_t> index = index_of(key);
    if (!index || *index >= labels.size()) {
      throw Error(ErrorCode::format,
                  where + ": key " + quote(key) + " is out of place: with " + std::to_string(labels.size()) +
                      " labels the keys must be \"0\" to \"" + std::to_string(labels.size() - 1) + "\"");
    }
    if (!value.is_string()) {
      throw Error(ErrorCode::format, where + ": the label of key " + quote(key) + " is no string");
    }
    labels[*index] = value.get<std::string>();
  }
  return labels;
}

std::vector<std::string> read_fitting_labels(const std::filesystem::path& path, std::size_t num_classes) {
  std::vector<std::string> labels = read_labels(path);
  if (labels.size() == num_classes) return labels;
  throw Error(ErrorCode::mismatch, quote_path(path) + " has " + std::to_string(labels.size()) +
                                       " labels and the network " + std::to_string(num_classes) +
                                       " classes; they must be the same in number");
}

void write_labels(const std::filesystem::path& path, const std::vector<std::string>& labels) {
  nlohmann::ordered_json document = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < labels.size(); ++i) document[std::to_string(i)] = labels[i];
  std::string text;
  try {
    text = document.dump(4) + "\n";
  } catch (const nlohmann::json::type_error&) {
    throw Error(ErrorCode::write, "cannot write " + quote_path(path) + ": a label is not valid UTF-8");
  }
  write_file_atomically(path, [&](FileWriter& writer) { writer.write(text); });
}

}  // namespace resnet
