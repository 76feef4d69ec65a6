#include "model/timm_config.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "model/error.h"
#include "model/file_io.h"
#include "model/json_reader.h"
#include "model/labels.h"
#include "model/model_info.h"
#include "model/quote.h"

namespace resnet {
namespace {

using nlohmann::json;

/// Of 100,000 names with descriptions; one of ImageNet's takes 1 kB.
constexpr std::uint64_t max_bytes = 64 << 20;
constexpr double default_crop_pct = 0.875;  // timm's, as are the other defaults below

std::string shown(const json& value) {
  return quote(value.is_string() ? value.get<std::string>() : value.dump());
}

[[noreturn]] void fail(const std::string& where, const char* key, const std::string& expected) {
  throw Error(ErrorCode::format, where + ": \"" + key + "\" must be " + expected);
}

/// Side of the pictures.
int input_size(const json& config, const std::string& where) {
  const json* size = find_entry(config, "input_size");
  if (!size) return 224;
  const bool fits = size->is_array() && size->size() == 3 && (*size)[0] == 3 && (*size)[1] == (*size)[2] &&
                    (*size)[1].is_number_integer() && (*size)[1] >= 1 && (*size)[1] <= max_input_size;
  if (!fits)
    fail(where, "input_size",
         "3, and a height and a width that are equal, at most " + std::to_string(max_input_size));
  return (*size)[1].get<int>();
}

/// The short side before the crop: timm's ⌊size / crop_pct⌋.
int resize_size(const json& config, int size, const std::string& where) {
  const json* entry = find_entry(config, "crop_pct");
  if (!entry) return static_cast<int>(std::floor(size / default_crop_pct));
  const bool fits = entry->is_number() && *entry > 0 && *entry <= 1;
  if (!fits) fail(where, "crop_pct", "a number above 0, at most 1");
  const double side = std::floor(size / entry->get<double>());
  if (side > max_input_size)
    fail(where, "crop_pct", "larger: no picture is made larger than " + std::to_string(max_input_size));
  return static_cast<int>(side);
}

Preprocessing read_preprocessing(const json& config, const std::string& where) {
  const json* mode = find_entry(config, "crop_mode");
  if (mode && *mode != "center" && *mode != "squash") {
    throw Error(ErrorCode::unsupported, where + ": the \"crop_mode\" " + shown(*mode) +
                                            " is not supported, expected \"center\" or \"squash\"");
  }
  const int size = input_size(config, where);
  // As a model file's own, so that it is checked as that is.
  json preprocessing = {{"crop_size", size},
                        {"resize_size", resize_size(config, size, where)},
                        {"fit", fit_name(mode && *mode == "squash" ? Fit::stretch : Fit::crop)},
                        {"interpolation", "bicubic"}};
  for (const char* key : {"interpolation", "mean", "std"}) {
    if (const json* entry = find_entry(config, key)) preprocessing[key] = *entry;
  }
  return model_info_from_json({{"preprocessing", preprocessing}}, {}, where).preprocessing;
}

/// @param names a list, or {"0": name, …}
std::vector<std::string> read_classes(const json& names, const json* descriptions, const std::string& where) {
  const bool fits = (names.is_array() || names.is_object()) && names.size() <= max_labels;
  if (!fits) fail(where, "label_names", "a list of at most 100,000 names");
  std::vector<std::string> classes;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const json* name = names.is_array() ? &names[i] : find_entry(names, std::to_string(i).c_str());
    if (!name || !name->is_string())
      fail(where, "label_names", "names, with the keys 0, 1, 2, … where it is an object");
    classes.push_back(name->get<std::string>());
    const json* description = descriptions && descriptions->is_object()
                                  ? find_entry(*descriptions, classes.back().c_str())
                                  : nullptr;
    if (description && description->is_string()) classes.back() = description->get<std::string>();
  }
  return classes;
}

/// It may be of another file in the same folder.
void require_same_network(const json& document, const json& config, const InferredArchitecture& found,
                          const std::string& where) {
  const json* name = find_entry(document, "architecture");
  const std::string inferred = found.architecture.name();
  const std::vector<std::string> known = architecture_names();
  // A resnetblur50 has the tensors of a resnet50.
  if (name && *name != inferred && std::ranges::find(known, inferred) != known.end()) {
    throw Error(ErrorCode::mismatch, where + " is of the architecture " + shown(*name) +
                                         ", the tensors are those of a " + inferred);
  }
  const json* classes = find_entry(document, "num_classes");
  if (!classes) classes = find_entry(config, "num_classes");
  if (classes && found.num_classes > 0 && *classes != found.num_classes) {
    throw Error(ErrorCode::mismatch, where + " is of " + classes->dump() + " classes, the head has " +
                                         std::to_string(found.num_classes));
  }
}

}  // namespace

std::optional<TimmConfig> read_timm_config(const std::filesystem::path& path,
                                           const InferredArchitecture& found) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  const std::string where = quote_path(path);
  const FileBytes bytes = read_file(path, max_bytes);
  const json document = parse_json(bytes.text(), where);
  if (!document.is_object()) return std::nullopt;
  const json* config = find_entry(document, "pretrained_cfg");
  if (!config || !config->is_object()) return std::nullopt;

  require_same_network(document, *config, found, where);
  TimmConfig result;
  result.preprocessing = read_preprocessing(*config, where);
  const json* names = find_entry(document, "label_names");
  if (!names) names = find_entry(*config, "label_names");
  if (!names || found.num_classes == 0) return result;
  const json* descriptions = find_entry(document, "label_descriptions");
  result.classes = read_classes(*names, descriptions, where);
  require_fitting(result.classes, static_cast<std::size_t>(found.num_classes), where);
  return result;
}

}  // namespace resnet
