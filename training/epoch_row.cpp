#include "training/epoch_row.h"

#include "training/format.h"

namespace resnet {

nlohmann::json to_json(const EpochRow& row) {
  return {{"epoch", row.epoch},
          {"train_loss", row.train_loss},
          {"train_accuracy", row.train_accuracy},
          {"val_loss", row.val_loss},
          {"val_accuracy", row.val_accuracy},
          {"lr", row.lr},
          {"seconds", row.seconds},
          {"pictures_per_second", row.pictures_per_second}};
}

EpochRow epoch_row_from_json(const nlohmann::json& document) {
  EpochRow row;
  row.epoch = document.at("epoch").get<int>();
  row.train_loss = document.at("train_loss").get<double>();
  row.train_accuracy = document.at("train_accuracy").get<double>();
  row.val_loss = document.at("val_loss").get<double>();
  row.val_accuracy = document.at("val_accuracy").get<double>();
  row.lr = document.at("lr").get<double>();
  row.seconds = document.at("seconds").get<double>();
  row.pictures_per_second = document.at("pictures_per_second").get<double>();
  return row;
}

std::string to_csv(const std::vector<EpochRow>& rows) {
  std::string text = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds,pictures_per_second\n";
  for (const EpochRow& row : rows) {
    text += format("%d,%.6f,%.6f,%.6f,%.6f,%.6g,%.2f,%.2f\n", row.epoch, row.train_loss, row.train_accuracy,
                   row.val_loss, row.val_accuracy, row.lr, row.seconds, row.pictures_per_second);
  }
  return text;
}

}  // namespace resnet
