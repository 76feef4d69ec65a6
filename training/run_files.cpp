#include "training/run_files.h"

#include <string>
#include <utility>

#include "model/error.h"
#include "model/file_io.h"
#include "model/labels.h"
#include "model/model_file.h"
#include "model/quote.h"

namespace resnet {
namespace {

void save_text(const std::filesystem::path& path, const std::string& text) {
  write_file_atomically(path, [&](FileWriter& file) { file.write(text); });
}

/// Renames what is there: a.csv becomes a.1.csv, or has the first number that is free.
void set_aside(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  const std::string stem = path.stem().string(), ending = path.extension().string();
  std::filesystem::path aside;
  int number = 0;
  do {
    aside = path.parent_path() / (stem + "." + std::to_string(++number) + ending);
  } while (std::filesystem::exists(aside, error));
  std::filesystem::rename(path, aside, error);
  if (error) {
    throw Error(ErrorCode::write,
                "cannot rename " + quote_path(path) + ", which another run left: " + error.message());
  }
}

bool holds(const std::filesystem::path& path, const std::vector<std::string>& classes) try {
  return read_labels(path) == classes;
} catch (const Error&) {
  return false;
}

}  // namespace

std::filesystem::path RunFiles::last() const {
  return output_.parent_path() / (output_.stem().string() + ".last.safetensors");
}

void RunFiles::set_others_aside() {
  if (std::exchange(is_own_, true)) return;
  for (const std::filesystem::path& path :
       {beside("metrics.csv"), recipe_path(), beside("report.html"), beside("tensorboard") / output_.stem()})
    set_aside(path);
}

void RunFiles::save_network(const ResNet& network, const ModelInfo& info) {
  set_others_aside();
  const std::filesystem::path labels = beside("class_indices.json");
  if (!holds(labels, info.classes)) {
    set_aside(labels);
    write_labels(labels, info.classes);
  }
  save_model(output_, network, info);
}

void RunFiles::save_epochs(const std::vector<EpochRow>& rows, const Recipe& recipe) {
  set_others_aside();
  save_text(beside("metrics.csv"), to_csv(rows));
  save_text(recipe_path(), to_json(recipe).dump(2) + "\n");
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
