#ifndef RESNET_TRAINING_RUN_FILES_H
#define RESNET_TRAINING_RUN_FILES_H

#include <filesystem>
#include <memory>
#include <vector>

#include "model/model_info.h"
#include "model/resnet_fwd.h"
#include "training/epoch_row.h"
#include "training/event_file.h"
#include "training/recipe.h"
#include "training/report.h"

namespace resnet {

/// What a run writes: the model file, and beside it class_indices.json, metrics.csv, recipe.json,
/// report.html, the folder tensorboard/resnet34 for a resnet34.pth, and until the run is done the state of
/// it. Each is whole whenever it is looked at. What another run left under a name, but for the model file, is
/// renamed first: metrics.1.csv, or 2, 3, ….
class RunFiles {
 public:
  explicit RunFiles(std::filesystem::path output) : output_(std::move(output)) {}

  /// The state of the run: resnet34.last.safetensors for a resnet34.pth.
  std::filesystem::path last() const;

  std::filesystem::path recipe_path() const { return beside("recipe.json"); }

  /// The run was begun before: what is there is its own.
  void go_on() { is_own_ = true; }

  /// The model file, and its classes for programs that read no other.
  /// @throws Error write
  void save_network(const ResNet& network, const ModelInfo& info);
  /// metrics.csv, recipe.json, and the last row's values for TensorBoard.
  /// @param rows at least one
  /// @throws Error write
  void save_epochs(const std::vector<EpochRow>& rows, const Recipe& recipe);
  /// @throws Error as write_report
  void save_report(const Report& report) const;

 private:
  std::filesystem::path beside(const char* name) const { return output_.parent_path() / name; }

  void set_others_aside();

  std::filesystem::path output_;
  bool is_own_ = false;                ///< what is there is of this run
  std::unique_ptr<EventFile> events_;  ///< from the first row on
};

}  // namespace resnet

#endif
