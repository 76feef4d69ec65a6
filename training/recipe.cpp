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
  recipe.shrink = image_size * 11 / 8;
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
          {"last_size", recipe.last_size},
          {"min_scale", recipe.min_scale},
          {"jitter", recipe.jitter},
          {"shrink", recipe.shrink},
          {"norm_batch", recipe.norm_batch},
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
  const int last = recipe.last_size > 0 ? recipe.last_size : recipe.image_size;
  if (recipe.first_size <= 0 || recipe.first_size >= last) {
    return last;
  }
  const double part = epoch / std::max(1.0, recipe.epochs * 0.8);
  const int steps = (last - recipe.first_size + 15) / 16;
  return part >= 1 ? last : recipe.first_size + static_cast<int>(part * steps) * 16;
}

}  // namespace resnet
