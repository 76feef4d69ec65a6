#include "model/model_info.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "model/error.h"
#include "model/json_reader.h"
#include "model/labels.h"
#include "model/quote.h"
#include "model/shortest_double.h"

namespace resnet {
namespace {

constexpr std::int64_t kMaxPictures = std::numeric_limits<int>::max();
/// Of the deepest network that a checkpoint may hold: four convolutions a block.
constexpr std::size_t kMaxSteps = 4 * 4 * 10'000 + 3;

/// One object of the document; its getters check type and range and name the entry in errors.
class Reader {
 public:
  Reader(const nlohmann::json& object, std::string where, std::string path)
      : object_(object), where_(std::move(where)), path_(std::move(path)) {
    if (!object.is_object()) fail("", "must be an object");
  }

  const nlohmann::json* find(const char* key) const { return find_entry(object_, key); }

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    const std::string name = path_.empty() || key.empty() ? path_ + key : path_ + "." + key;
    throw Error(ErrorCode::format,
                where_ + ": the model information" + (name.empty() ? "" : " \"" + name + "\"") + " " + what);
  }

  void integer(const char* key, std::int64_t low, std::int64_t high, int& value) const {
    const nlohmann::json* entry = find(key);
    if (!entry) return;
    const bool fits = entry->is_number_integer() && *entry >= low && *entry <= high;
    if (!fits)
      fail(key, "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    value = entry->get<int>();
  }

  void text(const char* key, std::string& value) const {
    const nlohmann::json* entry = find(key);
    if (!entry) return;
    if (!entry->is_string()) fail(key, "must be a string");
    value = entry->get<std::string>();
  }

  void number(const char* key, double low, double high, double& value) const {
    const nlohmann::json* entry = find(key);
    if (!entry) return;
    const bool fits = entry->is_number() && *entry >= low && *entry <= high;
    if (!fits)
      fail(key, "must be a number from " + nlohmann::json(low).dump() + " to " + nlohmann::json(high).dump());
    value = entry->get<double>();
  }

  template <std::size_t N>
  void numbers(const char* key, double low, std::array<float, N>& values) const {
    const nlohmann::json* entry = find(key);
    if (!entry) return;
    const std::string expected =
        "must be " + std::to_string(N) + " finite numbers" + (low >= 0 ? " above 0" : "");
    if (!entry->is_array() || entry->size() != N) fail(key, expected);
    for (std::size_t i = 0; i < N; ++i) {
      if (!(*entry)[i].is_number()) fail(key, expected);
      const float value = (*entry)[i].template get<float>();
      if (!std::isfinite(value) || value <= low) fail(key, expected);
      values[i] = value;
    }
  }

 private:
  const nlohmann::json& object_;
  std::string where_, path_;
};

void read_architecture(const Reader& reader, Architecture& architecture) {
  std::string block;
  reader.text("block", block);
  if (block == "BasicBlock")
    architecture.block = BlockType::basic;
  else if (block == "Bottleneck")
    architecture.block = BlockType::bottleneck;
  else if (!block.empty())
    reader.fail("block", "must be \"BasicBlock\" or \"Bottleneck\"");
  if (const nlohmann::json* layers = reader.find("layers")) {
    if (!layers->is_array() || layers->size() != 4) reader.fail("layers", "must be four numbers of blocks");
    for (std::size_t i = 0; i < 4; ++i) {
      const nlohmann::json& count = (*layers)[i];
      if (!count.is_number_integer() || count < 1 || count > 10'000) {
        reader.fail("layers", "must be four numbers of blocks, from 1 to 10000");
      }
      architecture.layers[i] = count.get<int>();
    }
  }
  reader.integer("width", 1, 8192, architecture.width);
  reader.integer("groups", 1, 8192, architecture.groups);
  reader.integer("width_per_group", 1, 8192, architecture.width_per_group);
}

void read_preprocessing(const Reader& reader, Preprocessing& preprocessing) {
  reader.integer("resize_size", 1, max_input_size, preprocessing.resize_size);
  reader.integer("crop_size", 1, max_input_size, preprocessing.crop_size);
  if (preprocessing.crop_size > preprocessing.resize_size) {
    reader.fail("crop_size", "is " + std::to_string(preprocessing.crop_size) + ", above the resize_size of " +
                                 std::to_string(preprocessing.resize_size));
  }
  std::string fit;
  reader.text("fit", fit);
  if (fit == fit_name(Fit::crop))
    preprocessing.fit = Fit::crop;
  else if (fit == fit_name(Fit::stretch))
    preprocessing.fit = Fit::stretch;
  else if (!fit.empty())
    reader.fail("fit", "must be \"crop\" or \"stretch\"");
  std::string interpolation;
  reader.text("interpolation", interpolation);
  if (interpolation == "bilinear")
    preprocessing.interpolation = Interpolation::bilinear;
  else if (interpolation == "bicubic")
    preprocessing.interpolation = Interpolation::bicubic;
  else if (!interpolation.empty())
    reader.fail("interpolation", "must be \"bilinear\" or \"bicubic\"");
  reader.numbers("mean", -std::numeric_limits<double>::infinity(), preprocessing.mean);
  reader.numbers("std", 0, preprocessing.std);
}

void read_classes(const Reader& reader, std::vector<std::string>& classes) {
  const nlohmann::json* entry = reader.find("classes");
  if (!entry) return;
  if (!entry->is_array() || entry->size() > max_labels) {
    reader.fail("classes", "must be a list of at most 100,000 names");
  }
  classes.clear();
  for (const nlohmann::json& name : *entry) {
    if (!name.is_string()) reader.fail("classes", "must hold strings only");
    classes.push_back(name.get<std::string>());
  }
}

void read_activation(const Reader& reader, Activation& activation) {
  std::string name;
  reader.text("activation", name);
  if (name.empty()) return;
  for (const Activation known : {Activation::softmax, Activation::sigmoid}) {
    if (name != activation_name(known)) continue;
    activation = known;
    return;
  }
  reader.fail("activation", "must be \"softmax\" or \"sigmoid\"");
}

Quantization read_quantization(const Reader& reader, const std::string& where) {
  Quantization quantization;
  const nlohmann::json* scales = reader.find("output_scales");
  if (!scales || !scales->is_array() || scales->size() > kMaxSteps) {
    reader.fail("output_scales", "must be a list of finite numbers, one for each step of the network");
  }
  for (const nlohmann::json& entry : *scales) {
    const float scale = entry.is_number() ? entry.get<float>() : -1.0F;
    if (!std::isfinite(scale) || scale < 0)
      reader.fail("output_scales", "must hold finite numbers of at least 0");
    quantization.output_scale.push_back(scale);
  }
  reader.text("method", quantization.method);
  reader.integer("pictures", 0, kMaxPictures, quantization.pictures);
  if (const nlohmann::json* entry = reader.find("accuracy")) {
    const Reader accuracy(*entry, where, "quantization.accuracy");
    quantization.accuracy.emplace();
    accuracy.number("fp32", 0, 1, quantization.accuracy->fp32);
    accuracy.number("int8", 0, 1, quantization.accuracy->int8);
    accuracy.number("agreement", 0, 1, quantization.accuracy->agreement);
    accuracy.integer("pictures", 0, kMaxPictures, quantization.accuracy->pictures);
  }
  return quantization;
}

nlohmann::json to_json(const Quantization& quantization) {
  nlohmann::json scales = nlohmann::json::array();
  for (const float scale : quantization.output_scale) scales.push_back(shortest_double(scale));
  nlohmann::json document = {{"output_scales", std::move(scales)}};
  if (!quantization.method.empty()) document["method"] = quantization.method;
  if (quantization.pictures > 0) document["pictures"] = quantization.pictures;
  if (const auto& accuracy = quantization.accuracy) {
    document["accuracy"] = {{"fp32", accuracy->fp32},
                            {"int8", accuracy->int8},
                            {"agreement", accuracy->agreement},
                            {"pictures", accuracy->pictures}};
  }
  return document;
}

}  // namespace

nlohmann::json to_json(const ModelInfo& info) {
  const Architecture& architecture = info.architecture;
  const Preprocessing& preprocessing = info.preprocessing;
  nlohmann::json mean = nlohmann::json::array(), std = nlohmann::json::array();
  for (const float value : preprocessing.mean) mean.push_back(shortest_double(value));
  for (const float value : preprocessing.std) std.push_back(shortest_double(value));
  nlohmann::json document = {
      {"format", "gst-resnet 1"},
      {"architecture",
       {{"name", architecture.name()},
        {"block", architecture.block == BlockType::basic ? "BasicBlock" : "Bottleneck"},
        {"layers", architecture.layers},
        {"width", architecture.width},
        {"groups", architecture.groups},
        {"width_per_group", architecture.width_per_group}}},
      {"preprocessing",
       {{"resize_size", preprocessing.resize_size},
        {"crop_size", preprocessing.crop_size},
        {"interpolation", preprocessing.interpolation == Interpolation::bilinear ? "bilinear" : "bicubic"},
        {"mean", mean},
        {"std", std}}},
  };
  if (preprocessing.fit != Fit::crop) document["preprocessing"]["fit"] = fit_name(preprocessing.fit);
  if (!info.classes.empty()) document["classes"] = info.classes;
  if (info.activation != Activation::softmax) document["activation"] = activation_name(info.activation);
  if (info.temperature != 1) document["temperature"] = info.temperature;
  if (info.threshold) document["threshold"] = *info.threshold;
  if (info.quantization) document["quantization"] = to_json(*info.quantization);
  if (!info.metrics.empty()) document["metrics"] = info.metrics;
  if (!info.digest.empty()) document["digest"] = info.digest;
  return document;
}

ModelInfo model_info_from_json(const nlohmann::json& document, const ModelInfo& defaults,
                               const std::string& where) {
  ModelInfo info = defaults;
  if (document.is_null()) return info;
  const Reader reader(document, where, "");
  if (const auto* entry = reader.find("architecture")) {
    read_architecture(Reader(*entry, where, "architecture"), info.architecture);
  }
  if (const auto* entry = reader.find("preprocessing")) {
    read_preprocessing(Reader(*entry, where, "preprocessing"), info.preprocessing);
  }
  read_classes(reader, info.classes);
  read_activation(reader, info.activation);
  reader.number("temperature", min_temperature, max_temperature, info.temperature);
  if (reader.find("threshold")) reader.number("threshold", 0, 1, info.threshold.emplace());
  if (const auto* entry = reader.find("quantization")) {
    info.quantization = read_quantization(Reader(*entry, where, "quantization"), where);
  }
  if (const auto* entry = reader.find("metrics")) {
    if (!entry->is_object()) reader.fail("metrics", "must be an object");
    info.metrics = *entry;
  }
  reader.text("digest", info.digest);
  return info;
}

}  // namespace resnet
