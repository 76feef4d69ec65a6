#ifndef RESNET_TRAINING_TRAINER_H
#define RESNET_TRAINING_TRAINER_H

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "training/console.h"
#include "training/epoch_row.h"
#include "training/image_folder.h"
#include "training/process_group.h"
#include "training/recipe.h"

namespace resnet {

/// Everything that a run is told.
struct TrainingJob {
  Recipe recipe;
  TrainingData data;
  std::optional<Architecture> architecture;  ///< nothing: that of the file it starts from, else resnet34
  std::filesystem::path output;
  std::filesystem::path weights;  ///< empty: none
  bool fresh = false;             ///< neither `last` nor the output file is looked at
  bool strict = false;            ///< a picture that cannot be read is an error, before training starts
  int workers = 1;
  double save_seconds = 300;            ///< within an epoch the state of the run is saved so often
  int threads = 1;                      ///< of the network
  std::string device = "auto";          ///< "auto", "cpu", "cuda"
  std::ptrdiff_t cache_bytes = 0;       ///< memory for decoded pictures
  std::ptrdiff_t disk_cache_bytes = 0;  ///< of a temporary file for those that it has no room for
  ProcessGroup group;                   ///< who shares the work; the files are the first process's
};

/// The epoch whose network is kept.
struct BestEpoch {
  int epoch = 0;                        ///< 0: what the run started from is still the best
  double val_accuracy = -1;             ///< −1: none yet
  double val_loss = 0;                  ///< decides between equal accuracies
  std::optional<double> test_accuracy;  ///< nothing: there are no pictures to test with
};

struct TrainingResult {
  std::vector<EpochRow> rows;
  BestEpoch best;
  bool interrupted = false;  ///< by Ctrl-C; `last` and the best so far are on disk
  std::size_t skipped = 0;   ///< pictures that could not be read
};

/// Trains and keeps the network with the best validation accuracy, of several the one with the least
/// validation loss, in job.output. All processes of the group call it, with the same recipe and pictures, and
/// get the same result.
/// @throws Error
TrainingResult train(const TrainingJob& job, Console& console);

}  // namespace resnet

#endif
