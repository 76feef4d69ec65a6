#include "training/run_state.h"

#include "model/error.h"
#include "model/model_file.h"
#include "training/run_files.h"

namespace resnet {
namespace {

constexpr std::string_view val_name = "best/val_logits", test_name = "best/test_logits";

nlohmann::json to_json(const PartOfEpoch& part) {
  return {{"pictures", part.pictures},
          {"loss", part.loss},
          {"correct", part.correct},
          {"counted", part.counted},
          {"seconds", part.seconds}};
}

PartOfEpoch part_from_json(const nlohmann::json& document) {
  PartOfEpoch part;
  part.pictures = document.at("pictures").get<std::size_t>();
  part.loss = document.at("loss").get<double>();
  part.correct = document.at("correct").get<double>();
  part.counted = document.at("counted").get<double>();
  part.seconds = document.at("seconds").get<double>();
  return part;
}

void require_architecture(const TrainingJob& job, const StartingPoint& start) {
  if (job.architecture && *job.architecture != start.architecture) {
    const std::string asked = job.architecture->name();
    throw Error(ErrorCode::mismatch, start.checkpoint.path.string() + " holds a " +
                                         start.architecture.name() + ", --arch asks for " + asked +
                                         "; use its architecture, another --output, or --fresh");
  }
}

void require_classes(const TrainingJob& job, const StartingPoint& start, int num_classes) {
  const auto& classes = job.data.classes;
  const std::string name = start.checkpoint.path.string();
  if (static_cast<std::size_t>(num_classes) != classes.size()) {
    throw Error(ErrorCode::mismatch, name + " has " + std::to_string(num_classes) +
                                         " classes, the pictures have " + std::to_string(classes.size()) +
                                         "; use another --output, or --fresh");
  }
  for (std::size_t i = 0; i < start.info.classes.size() && i < classes.size(); ++i) {
    if (start.info.classes[i] != classes[i]) {
      throw Error(ErrorCode::mismatch, name + " has '" + start.info.classes[i] + "' as class " +
                                           std::to_string(i) + ", the pictures have '" + classes[i] +
                                           "'; use another --output, or --fresh");
    }
  }
}

/// Only the first process has the file.
void share_checkpoint(Checkpoint& checkpoint, const ProcessGroup& group) {
  if (group.alone()) return;
  checkpoint.path = group.of_first(checkpoint.path.string());
  checkpoint.info = nlohmann::json::parse(group.of_first(checkpoint.info.dump()));
  checkpoint.tensors = group.of_first(checkpoint.tensors);
}

StartKind choose(const TrainingJob& job, std::filesystem::path& path) {
  const std::filesystem::path last = RunFiles(job.output).last();
  if (!job.fresh && std::filesystem::exists(last)) {
    path = last;
    return StartKind::last;
  }
  if (!job.fresh && std::filesystem::exists(job.output)) {
    path = job.output;
    return StartKind::output;
  }
  path = job.weights;
  return job.weights.empty() ? StartKind::random : StartKind::weights;
}

}  // namespace

void save_run_state(const std::filesystem::path& path, const RunState& state) {
  nlohmann::json rows = nlohmann::json::array();
  for (const EpochRow& row : state.rows) {
    rows.push_back(resnet::to_json(row));
  }
  nlohmann::json info = resnet::to_json(state.info);
  info["training"] = {{"recipe", state.recipe},
                      {"rows", std::move(rows)},
                      {"best_accuracy", state.best.val_accuracy},
                      {"best_loss", state.best.val_loss},
                      {"best_epoch", state.best.epoch},
                      {"part", to_json(state.part)},
                      {"pictures", state.pictures},
                      {"temperature", state.temperature},
                      {"seconds", state.seconds}};
  if (state.best.test_accuracy) info["training"]["best_test_accuracy"] = *state.best.test_accuracy;
  NamedTensors tensors = state.learner;
  if (state.val.defined()) tensors.emplace_back(val_name, state.val);
  if (state.test.defined()) tensors.emplace_back(test_name, state.test);
  write_safetensors(path, tensors, info);
}

RunState read_run_state(const Checkpoint& checkpoint) {
  RunState state;
  try {
    const nlohmann::json& training = checkpoint.info.at("training");
    state.best.val_accuracy = training.at("best_accuracy").get<double>();
    state.best.val_loss = training.value("best_loss", state.best.val_loss);
    state.best.epoch = training.at("best_epoch").get<int>();
    if (training.contains("best_test_accuracy")) {
      state.best.test_accuracy = training.at("best_test_accuracy").get<double>();
    }
    state.part = part_from_json(training.at("part"));
    state.pictures = training.value("pictures", nlohmann::json());
    state.temperature = training.value("temperature", state.temperature);
    state.seconds = training.at("seconds").get<double>();
    state.recipe = training.at("recipe");
    for (const nlohmann::json& row : training.at("rows")) {
      state.rows.push_back(epoch_row_from_json(row));
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::format, checkpoint.path.string() + " is not the state of a run (" + error.what() +
                                       "); --fresh starts over");
  }
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (name == val_name) {
      state.val = tensor;
    } else if (name == test_name) {
      state.test = tensor;
    } else {
      state.learner.emplace_back(name, tensor);
    }
  }
  return state;
}

StartingPoint find_start(const TrainingJob& job) {
  StartingPoint start;
  start.architecture = job.architecture.value_or(find_architecture("resnet34"));
  std::filesystem::path path;
  if (job.group.first()) start.kind = choose(job, path);
  start.kind = static_cast<StartKind>(job.group.of_first(static_cast<double>(start.kind)));
  if (start.kind == StartKind::random) {
    return start;
  }
  if (job.group.first()) start.checkpoint = read_checkpoint(path);
  share_checkpoint(start.checkpoint, job.group);
  path = start.checkpoint.path;
  const InferredArchitecture inferred = infer_architecture(start.checkpoint);
  start.architecture = inferred.architecture;
  if (start.checkpoint.info.is_object()) {
    start.info = model_info_from_json(start.checkpoint.info, start.info, path.string());
  }
  require_architecture(job, start);
  if (start.kind != StartKind::weights) {
    require_classes(job, start, inferred.num_classes);
  }
  return start;
}

}  // namespace resnet
