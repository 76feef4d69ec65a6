#include "model/labels.h"

#include <algorithm>
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

bool is_utf8(std::string_view text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::vector<std::string> labels_of_json(std::string_view text, const std::string& where) {
  const nlohmann::ordered_json document = parse_json(text, where);
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

/// A name a line; the last line may be empty.
std::vector<std::string> labels_of_lines(std::string_view text, const std::string& where) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> labels;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\t'; };
    const auto fail = [&](const char* what) {
      throw Error(ErrorCode::format, where + ": line " + std::to_string(labels.size() + 1) + " " + what +
                                         "; expected a label on each line");
    };
    if (line.empty()) fail("is empty");
    if (!is_utf8(line) || std::any_of(line.begin(), line.end(), is_control)) fail("is no text in UTF-8");
    if (labels.size() == max_labels) fail("is one too many: at most 100,000 labels are supported");
    labels.emplace_back(line);
  }
  if (labels.empty()) throw Error(ErrorCode::format, where + " is empty: expected a label on each line");
  return labels;
}

}  // namespace

std::vector<std::string> read_labels(const std::filesystem::path& path) {
  const FileBytes bytes = read_file(path, kMaxBytes);
  return path.extension() == ".txt" ? labels_of_lines(bytes.text(), quote_path(path))
                                    : labels_of_json(bytes.text(), quote_path(path));
}

void require_fitting(const std::vector<std::string>& labels, std::size_t num_classes,
                     const std::string& where) {
  if (labels.size() == num_classes) return;
  throw Error(ErrorCode::mismatch, where + " names " + std::to_string(labels.size()) +
                                       " classes and the network's head has " + std::to_string(num_classes) +
                                       "; give a labels file that fits");
}

std::vector<std::string> read_fitting_labels(const std::filesystem::path& path, std::size_t num_classes) {
  std::vector<std::string> labels = read_labels(path);
  require_fitting(labels, num_classes, quote_path(path));
  return labels;
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
