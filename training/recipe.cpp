#include "training/recipe.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/error.h"

namespace resnet {

std::vector<std::string> preset_names() { return {"classic", "scratch"}; }

Recipe preset(const std::string& name, int image_size) {
  Recipe recipe;
  recipe.image_size = image_size;
  if (name == "classic") {
    return recipe;
  }
  if (name != "scratch") {
    throw Error(ErrorCode::unsupported, "no preset is named '" + name + "'; expected classic or scratch");
  }
  recipe.optimizer = "sgd";
  recipe.lr = 0.1;
  recipe.weight_decay = 5e-4;
  recipe.label_smoothing = 0.1;
  recipe.schedule = "cosine";
  recipe.warmup_epochs = 2;
  recipe.batch_size = 64;
  recipe.first_size = std::max(32, image_size * 5 / 8 / 16 * 16);
  recipe.min_scale = 0.35;
  recipe.jitter = 0.2;
  recipe.shrink = image_size * 11 / 8;
  recipe.ema = 0.99;
  recipe.zero_init_residual = true;
  recipe.precision = "auto";
  return recipe;
}

nlohmann::json to_json(const Recipe& recipe) {
  return {{"optimizer", recipe.optimizer},
          {"lr", recipe.lr},
          {"momentum", recipe.momentum},
          {"nesterov", recipe.nesterov},
          {"weight_decay", recipe.weight_decay},
          {"label_smoothing", recipe.label_smoothing},
          {"schedule", recipe.schedule},
          {"warmup_epochs", recipe.warmup_epochs},
          {"batch_size", recipe.batch_size},
          {"epochs", recipe.epochs},
          {"seed", recipe.seed},
          {"image_size", recipe.image_size},
          {"first_size", recipe.first_size},
          {"min_scale", recipe.min_scale},
          {"jitter", recipe.jitter},
          {"shrink", recipe.shrink},
          {"ema", recipe.ema},
          {"zero_init_residual", recipe.zero_init_residual},
          {"flip_average", recipe.flip_average},
          {"precision", recipe.precision}};
}

double learning_rate(const Recipe& recipe, double epoch) {
  if (epoch < recipe.warmup_epochs) {
    return recipe.lr * epoch / recipe.warmup_epochs;
  }
  if (recipe.schedule == "cosine") {
    const double rest = std::max(1e-9, recipe.epochs - recipe.warmup_epochs);
    const double part = std::clamp((epoch - recipe.warmup_epochs) / rest, 0.0, 1.0);
    return recipe.lr * 0.5 * (1 + std::cos(std::numbers::pi * part));
  }
  return recipe.lr;
}

int training_size(const Recipe& recipe, int epoch) {
  if (recipe.first_size <= 0 || recipe.first_size >= recipe.image_size) {
    return recipe.image_size;
  }
  const double part = std::min(1.0, epoch / std::max(1.0, recipe.epochs * 0.8));
  const int size = static_cast<int>(recipe.first_size + part * (recipe.image_size - recipe.first_size));
  return part >= 1 ? recipe.image_size : std::max(recipe.first_size, size / 16 * 16);
}

}  // namespace resnet
