#ifndef RESNET_MODEL_TIMM_CONFIG_H
#define RESNET_MODEL_TIMM_CONFIG_H

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "model/preprocessing.h"

namespace resnet {

/// What timm's `config.json` says of the weights beside it.
struct TimmConfig {
  Preprocessing preprocessing;       ///< that of timm's evaluation (resolve_data_config)
  std::vector<std::string> classes;  ///< by index; empty: not named
};

/// Reads a `config.json` as timm's save_for_hf writes it beside `model.safetensors`, and as its Hugging Face
/// repositories have it: `pretrained_cfg` with `input_size`, `crop_pct`, `crop_mode`, `interpolation`, `mean`
/// and `std`, and `label_names` with `label_descriptions`, which are preferred.
/// @param found what the weights' shapes say
/// @return nothing where there is no such file, or another program's
/// @throws Error read, format; mismatch for one of another network; unsupported for crops with a border
std::optional<TimmConfig> read_timm_config(const std::filesystem::path& path,
                                           const InferredArchitecture& found);

}  // namespace resnet

#endif
