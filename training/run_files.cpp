#include "training/run_files.h"

#include <string>

#include "model/file_io.h"
#include "model/labels.h"
#include "model/model_file.h"

namespace resnet {
namespace {

void save_text(const std::filesystem::path& path, const std::string& text) {
  write_file_atomically(path, [&](FileWriter& file) { file.write(text); });
}

}  // namespace

std::filesystem::path RunFiles::last() const {
  return output_.parent_path() / (output_.stem().string() + ".last.safetensors");
}

void RunFiles::save_network(const ResNet& network, const ModelInfo& info) const {
  write_labels(beside("class_indices.json"), info.classes);
  save_model(output_, network, info);
}

void RunFiles::save_epochs(const std::vector<EpochRow>& rows, const Recipe& recipe) {
  save_text(beside("metrics.csv"), to_csv(rows));
  save_text(beside("recipe.json"), to_json(recipe).dump(2) + "\n");
  if (!events_) events_ = std::make_unique<EventFile>(beside("tensorboard") / output_.stem());
  const EpochRow& row = rows.back();
  const auto add = [&](const char* tag, double value) {
    events_->add_scalar(tag, row.epoch, static_cast<float>(value));
  };
  add("loss/train", row.train_loss);
  add("loss/val", row.val_loss);
  add("accuracy/train", row.train_accuracy);
  add("accuracy/val", row.val_accuracy);
  add("lr", row.lr);
  add("pictures_per_second", row.pictures_per_second);
}

void RunFiles::save_report(const Report& report) const { write_report(beside("report.html"), report); }

}  // namespace resnet
