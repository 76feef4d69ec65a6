#ifndef RESNET_TRAINING_REPORT_H
#define RESNET_TRAINING_REPORT_H

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "model/activation.h"
#include "training/epoch_row.h"
#include "training/predictions.h"

namespace resnet {

/// What a page about a network tells: how it was trained, and how it does on pictures whose classes are
/// known.
struct Report {
  std::string title;
  std::vector<std::string> classes;
  std::vector<EpochRow> rows;           ///< may be empty
  int best_epoch = 0;                   ///< 0: none of the rows
  std::string split;                    ///< what the predictions are of: "val"
  std::vector<Prediction> predictions;  ///< may be empty
  double temperature = 1;               ///< logits are divided by it; 1: none
  Activation activation = Activation::softmax;
  std::vector<std::pair<std::string, std::string>> facts;  ///< names and values: ("architecture", "resnet34")
  nlohmann::json recipe;                                   ///< an object, or null
};

/// Writes the report as one HTML page that needs nothing else: accuracy with its 95 % interval, curves,
/// confusion matrix, scores by class, calibration, thumbnails of the pictures that it is most wrong and least
/// sure about, recipe. Pictures that can no longer be read are left out. Accuracy, F1 and confusion matrix
/// are those of each prediction's highest logit, which no temperature changes.
/// @throws Error mismatch: a label or number of logits that the classes do not have, a temperature that is
/// not positive; device: logits that are not finite; write
void write_report(const std::filesystem::path& path, const Report& report);

}  // namespace resnet

#endif
