#ifndef RESNET_MODEL_MODEL_INFO_H
#define RESNET_MODEL_MODEL_INFO_H

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/activation.h"
#include "model/architecture.h"
#include "model/preprocessing.h"
#include "model/quantization.h"

namespace resnet {

/// What a model file says about itself, beside its tensors. Stored as JSON: the extra record
/// `extra/model.json` in a `.pth`, the entry `resnet` of `__metadata__` in a `.safetensors`.
struct ModelInfo {
  Architecture architecture;
  std::vector<std::string> classes;  ///< by index; empty: not known
  Preprocessing preprocessing;
  Activation activation = Activation::softmax;
  double temperature = 1;                    ///< of softmax: what its logits are divided by
  std::optional<double> threshold;           ///< suggested probability below which to answer "none of these"
  std::optional<Quantization> quantization;  ///< of a model file that `resnet quantize` made
  nlohmann::json metrics = nlohmann::json::object();  ///< {"val_accuracy": 0.91, "epoch": 12, …}
  std::string digest;  ///< "sha256:…" over the tensors (see tensor_digest); empty: not stated
};

/// The range of ModelInfo::temperature; networks that people train are between 0.3 and 5.
constexpr double min_temperature = 0.01, max_temperature = 100;

nlohmann::json to_json(const ModelInfo& info);

/// Reads what to_json wrote; everything is optional and checked (types, ranges: 1 ≤ crop_size ≤
/// resize_size ≤ 4096, finite mean, std > 0, at most 100,000 classes, temperature, finite scales ≥ 0). What
/// the document does not state keeps the values of `defaults`; null states nothing.  @param where names the
/// file in errors.
/// @throws Error format
ModelInfo model_info_from_json(const nlohmann::json& document, const ModelInfo& defaults,
                               const std::string& where);

}  // namespace resnet

#endif
