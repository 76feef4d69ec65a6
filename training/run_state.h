#ifndef RESNET_TRAINING_RUN_STATE_H
#define RESNET_TRAINING_RUN_STATE_H

#include <filesystem>
#include <vector>

#include "model/checkpoint.h"
#include "model/model_info.h"
#include "training/trainer.h"

namespace resnet {

/// The part of an epoch that is done.
struct PartOfEpoch {
  std::size_t pictures = 0;                   ///< of the epoch's order
  double loss = 0, correct = 0, counted = 0;  ///< sums over the pictures that could be read
  double seconds = 0;
  double last_loss = 0;  ///< of the last batch; only to be shown
};

/// All that a run needs to go on as if it had never stopped. Random numbers need no state: they follow from
/// seed, epoch and picture.
struct RunState {
  ModelInfo info;
  nlohmann::json recipe;
  std::vector<EpochRow> rows;  ///< one for each epoch done
  BestEpoch best;
  PartOfEpoch part;         ///< of the epoch after those
  nlohmann::json pictures;  ///< what identifies them; the state of other ones fits no further
  double temperature = 1;   ///< of the best network
  double seconds = 0;       ///< that the run has taken
  NamedTensors learner;     ///< Learner::state()
  at::Tensor val, test;     ///< what the best network says: [pictures, classes], NaN where one was not read
};

/// Writes `last`.
/// @throws Error write
void save_run_state(const std::filesystem::path& path, const RunState& state);

/// The run state in a checkpoint that save_run_state wrote.
/// @throws Error format
RunState read_run_state(const Checkpoint& checkpoint);

enum class StartKind { random, weights, output, last };

/// Where a run starts from, and the tensors found there.
struct StartingPoint {
  StartKind kind = StartKind::random;
  Checkpoint checkpoint;
  Architecture architecture;
  ModelInfo info;
};

/// `last` beside the output, else the output file, else --weights, else random; for all processes what the
/// first one finds.
/// @throws Error as read_checkpoint; mismatch when the file has another architecture or (but for --weights)
/// other classes
StartingPoint find_start(const TrainingJob& job);

}  // namespace resnet

#endif
