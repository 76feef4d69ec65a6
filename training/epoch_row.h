#ifndef RESNET_TRAINING_EPOCH_ROW_H
#define RESNET_TRAINING_EPOCH_ROW_H

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace resnet {

/// One epoch's results; a row of metrics.csv.
struct EpochRow {
  int epoch = 0;  ///< from 1
  double train_loss = 0, train_accuracy = 0, val_loss = 0, val_accuracy = 0;
  double lr = 0;                                ///< at the end of the epoch
  double seconds = 0, pictures_per_second = 0;  ///< of the training part
};

nlohmann::json to_json(const EpochRow& row);
EpochRow epoch_row_from_json(const nlohmann::json& document);
/// With a line of names first.
std::string to_csv(const std::vector<EpochRow>& rows);

}  // namespace resnet

#endif
