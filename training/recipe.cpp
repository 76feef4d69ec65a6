#include "training/recipe.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/error.h"
#include "model/file_io.h"
#include "model/json_reader.h"
#include "model/quote.h"
#include "training/recipe_fields.h"

namespace resnet {
namespace {

Recipe classic(int image_size) {
  Recipe recipe;
  recipe.image_size = image_size;
  return recipe;
}

Recipe scratch(int image_size) {
  Recipe recipe = classic(image_size);
  recipe.optimizer = "sgd";
  recipe.lr = 0.1;
  recipe.weight_decay = 1e-3;
  recipe.label_smoothing = 0.1;
  recipe.schedule = "cosine";
  recipe.warmup_epochs = 2;
  recipe.batch_size = 64;
  recipe.norm_batch = 32;
  recipe.first_size = std::max(32, image_size / 2 / 16 * 16);
  recipe.last_size = std::max(32, image_size * 7 / 8 / 16 * 16);
  recipe.min_scale = 0.25;
  recipe.jitter = 0.2;
  recipe.mixup = 0.2;
  recipe.cutmix = 1;
  recipe.shrink = image_size * 11 / 8;
  recipe.zero_init_residual = true;
  recipe.precision = "auto";
  return recipe;
}

Recipe transfer(int image_size) {
  Recipe recipe = classic(image_size);
  recipe.optimizer = "adamw";
  recipe.lr = 1e-3;
  recipe.body_lr = 0.1;
  recipe.weight_decay = 0.05;
  recipe.label_smoothing = 0.1;
  recipe.schedule = "cosine";
  recipe.warmup_epochs = 1;
  recipe.epochs = 12;
  recipe.batch_size = 64;
  recipe.min_scale = 0.25;
  recipe.jitter = 0.2;
  recipe.ema = 0.99;
  recipe.precision = "auto";
  return recipe;
}

struct Preset {
  const char* name;
  Recipe (*make)(int image_size);
};
constexpr Preset presets[] = {{"classic", classic}, {"scratch", scratch}, {"transfer", transfer}};

template <typename Field>
[[noreturn]] void refuse(const std::string& where, const std::string& name, const Field& is,
                         const std::string& expected) {
  throw Error(ErrorCode::format, where + ": \"" + name + "\" is " + is.dump() + ", expected " + expected);
}

/// A limit as a person would write it.
std::string text(double value) {
  return value == std::floor(value) ? std::to_string(static_cast<std::int64_t>(value))
                                    : nlohmann::json(value).dump();
}

void take(const nlohmann::json& is, bool& value, EitherWay /*allowed*/, const std::string& name,
          const std::string& where) {
  if (!is.is_boolean()) refuse(where, name, is, "true or false");
  value = is.get<bool>();
}

void take(const nlohmann::json& is, std::string& value, const Choices& allowed, const std::string& name,
          const std::string& where) {
  const bool there =
      is.is_string() && std::find(allowed.begin(), allowed.end(), is.get<std::string>()) != allowed.end();
  if (!there) refuse(where, name, is, "one of " + nlohmann::json(allowed).dump());
  value = is.get<std::string>();
}

template <typename Number>
void take(const nlohmann::json& is, Number& value, const Range& allowed, const std::string& name,
          const std::string& where) {
  const bool kind = std::is_integral_v<Number> ? is.is_number_integer() : is.is_number();
  if (!kind || is.get<double>() < allowed.low || is.get<double>() > allowed.high) {
    refuse(where, name, is,
           (std::is_integral_v<Number> ? "a whole number from " : "a number from ") + text(allowed.low) +
               " to " + text(allowed.high));
  }
  value = is.get<Number>();
}

}  // namespace

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& one : presets) names.emplace_back(one.name);
  return names;
}

Recipe preset(const std::string& name, int image_size) {
  for (const Preset& one : presets) {
    if (name == one.name) return one.make(image_size);
  }
  throw Error(ErrorCode::unsupported,
              "no preset is named '" + name + "'; expected one of " + nlohmann::json(preset_names()).dump());
}

nlohmann::json to_json(const Recipe& recipe) {
  nlohmann::json document;
  visit_fields(recipe, [&](const char* name, const auto& value, const auto& /*allowed*/,
                           const char* /*meaning*/) { document[name] = value; });
  return document;
}

Recipe recipe_from_json(const nlohmann::json& document, const std::string& where) {
  if (!document.is_object()) throw Error(ErrorCode::format, where + ": a recipe is a JSON object");
  // The image size first: a preset's other sizes follow from it.
  Recipe recipe;
  nlohmann::json unknown = document;
  unknown.erase("preset");
  const auto read = [&](const char* name, auto& value, const auto& allowed, const char* /*meaning*/) {
    const auto found = document.find(name);
    if (found == document.end()) return;
    take(*found, value, allowed, name, where);
    unknown.erase(name);
  };
  visit_fields(recipe, read);
  if (!unknown.empty()) {
    throw Error(ErrorCode::format, where + ": \"" + unknown.begin().key() + "\" is no part of a recipe");
  }
  const nlohmann::json name = document.value("preset", nlohmann::json("classic"));
  if (!name.is_string()) refuse(where, "preset", name, "the name of one");
  recipe = preset(name.get<std::string>(), recipe.image_size);
  visit_fields(recipe, read);
  return recipe;
}

nlohmann::json read_recipe_file(const std::filesystem::path& path) {
  constexpr std::uint64_t most = 1 << 20;
  return parse_json(read_file(path, most).text(), quote(path.string()));
}

double learning_rate(const Recipe& recipe, double epoch) {
  const auto cosine = [](double from, double to, double part) {
    return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * std::clamp(part, 0.0, 1.0)));
  };
  if (recipe.schedule == "one-cycle") {
    constexpr double rising = 0.3, first = 1.0 / 25, last = first / 1e4;
    const double part = epoch / recipe.epochs;
    return recipe.lr * (part < rising ? cosine(first, 1, part / rising)
                                      : cosine(1, last, (part - rising) / (1 - rising)));
  }
  // Where the time is enough for few epochs, the rate has to come down again too.
  const double warmup =
      recipe.minutes > 0 ? std::min(recipe.warmup_epochs, 0.2 * recipe.epochs) : recipe.warmup_epochs;
  if (epoch < warmup) return recipe.lr * epoch / warmup;
  if (recipe.schedule == "cosine") {
    const double rest = std::max(1e-9, recipe.epochs - warmup);
    return cosine(recipe.lr, 0, (epoch - warmup) / rest);
  }
  return recipe.lr;
}

int training_size(const Recipe& recipe, int epoch) {
  const int last = recipe.last_size > 0 ? recipe.last_size : recipe.image_size;
  if (recipe.first_size <= 0 || recipe.first_size >= last) {
    return last;
  }
  const double part = epoch / std::max(1.0, recipe.epochs * 0.8);
  const int steps = (last - recipe.first_size + 15) / 16;
  return part >= 1 ? last : recipe.first_size + static_cast<int>(part * steps) * 16;
}

}  // namespace resnet
