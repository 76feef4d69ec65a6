#ifndef RESNET_TRAINING_RUN_STATE_H
#define RESNET_TRAINING_RUN_STATE_H

#include <filesystem>
#include <vector>

#include "model/checkpoint.h"
#include "model/model_info.h"
#include "training/trainer.h"

namespace resnet {

/// All that a run needs to go on as if it had never stopped, at the end of an epoch. Random numbers need no
/// state: they follow from seed, epoch and picture.
struct RunState {
  ModelInfo info;
  Recipe recipe;                ///< written only, so that a resumed run can say what differs
  nlohmann::json saved_recipe;  ///< read only
  std::vector<EpochRow> rows;   ///< one for each epoch done
  BestEpoch best;
  NamedTensors network, optimizer;
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

/// `last` beside the output, else the output file, else --weights, else random.
/// @throws Error as read_checkpoint; mismatch when the file has another architecture or (but for --weights)
/// other classes
StartingPoint find_start(const TrainingJob& job);

}  // namespace resnet

#endif
