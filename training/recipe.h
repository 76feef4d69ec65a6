#ifndef RESNET_TRAINING_RECIPE_H
#define RESNET_TRAINING_RECIPE_H

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace resnet {

/// How a network is trained. The default values are the preset "classic": the published recipe. What each
/// value may be, and what it means, stands in recipe_fields.h.
struct Recipe {
  // Steps.
  std::string optimizer = "adam";
  double lr = 1e-4;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 0;
  std::string schedule = "constant";
  double warmup_epochs = 0;
  int epochs = 30;
  double minutes = 0;
  int patience = 0;
  int batch_size = 128;
  int accumulate = 1;
  int norm_batch = 0;
  bool sync_bn = true;
  double clip_norm = 0;
  double sam = 0;
  double ema = 0;
  std::string precision = "fp32";
  std::uint64_t seed = 3;

  // Classes.
  double label_smoothing = 0;
  std::string balance = "none";

  // Pictures.
  int image_size = 224;
  int first_size = 0;
  int last_size = 0;
  int shrink = 0;
  bool scaled_jpeg = true;
  double min_scale = 0.08;
  std::string policy = "none";
  double jitter = 0;
  double erase = 0;
  double mixup = 0;
  double cutmix = 0;
  bool flip_average = false;

  // Network.
  bool zero_init_residual = false;
  int freeze = 0;
  double body_lr = 1;
};

std::vector<std::string> preset_names();

/// "classic": Adam 1e-4, batch 128, 30 epochs, RandomResizedCrop and flip. "scratch": for a few thousand
/// pictures without pretrained weights: SGD with warm-up and cosine, label smoothing, milder crops, bf16,
/// growing pictures. "transfer": from pretrained weights, the body ten times slower than the new head.
/// @throws Error unsupported, listing the names there are
Recipe preset(const std::string& name, int image_size);

/// All fields, by their names.
nlohmann::json to_json(const Recipe& recipe);

/// A preset with what `document` says beyond it.
/// @param document an object of some fields, and perhaps "preset"
/// @param where names the document in errors
/// @throws Error format or unsupported: a name that is no field, a value of another type or out of range
Recipe recipe_from_json(const nlohmann::json& document, const std::string& where);

/// The object in a file, as recipe_from_json takes it.
/// @throws Error not_found, read, format
nlohmann::json read_recipe_file(const std::filesystem::path& path);

/// Learning rate at a point in time, in epochs since the start: 2.5 is the middle of the third.
double learning_rate(const Recipe& recipe, double epoch);

/// Side of the training crops in epoch 0…epochs−1: in steps of 16 from first_size to last_size, which the
/// last fifth has.
int training_size(const Recipe& recipe, int epoch);

}  // namespace resnet

#endif
