#ifndef RESNET_TRAINING_RECIPE_H
#define RESNET_TRAINING_RECIPE_H

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace resnet {

/// How a network is trained. The default values are the preset "classic": the published recipe.
struct Recipe {
  std::string optimizer = "adam";  ///< "adam", "adamw", "sgd" (with momentum)
  double lr = 1e-4;
  double momentum = 0.9;    ///< of sgd
  bool nesterov = true;     ///< of sgd
  double weight_decay = 0;  ///< never on biases and batch norms
  double label_smoothing = 0;
  std::string schedule = "constant";  ///< "constant", "cosine"
  double warmup_epochs = 0;           ///< lr rises linearly from 0
  int batch_size = 128;
  int epochs = 30;
  std::uint64_t seed = 3;
  int image_size = 224;     ///< of validation and of the model file
  int first_size = 0;       ///< training crops grow from this size …
  int last_size = 0;        ///< … to this one; 0: both image_size
  double min_scale = 0.08;  ///< RandomResizedCrop's smallest part of the area
  double jitter = 0;        ///< colour jitter, 0…1
  int shrink = 0;           ///< pictures are kept with this short side for training; 0: as they are
  int norm_batch = 0;       ///< batch norm's statistics are of at most so many pictures of a batch; 0: of all
  bool zero_init_residual = false;  ///< each block starts as the identity
  bool flip_average = false;        ///< validation averages a picture and its mirror image
  std::string precision = "fp32";   ///< "fp32", "bf16" (autocast), "auto": bf16 where the processor has it
};

std::vector<std::string> preset_names();

/// "classic": Adam 1e-4, batch 128, 30 epochs, RandomResizedCrop and flip. "scratch": for a few thousand
/// pictures without pretrained weights: SGD with warm-up and cosine, label smoothing, milder crops, bf16,
/// growing pictures.
/// @throws Error unsupported, listing the names there are
Recipe preset(const std::string& name, int image_size);

nlohmann::json to_json(const Recipe& recipe);

/// Learning rate at a point in time, in epochs since the start: 2.5 is the middle of the third.
double learning_rate(const Recipe& recipe, double epoch);

/// Side of the training crops in epoch 0…epochs−1: in steps of 16 from first_size to last_size, which the
/// last fifth has.
int training_size(const Recipe& recipe, int epoch);

}  // namespace resnet

#endif
