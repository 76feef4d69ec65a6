#ifndef RESNET_TRAINING_LEARNER_H
#define RESNET_TRAINING_LEARNER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/preprocessing.h"
#include "model/resnet.h"
#include "training/optimizer.h"
#include "training/recipe.h"
#include "training/team.h"

namespace resnet {

/// Pictures of one size with the classes they are of.
struct LabelledPixels {
  std::vector<std::uint8_t> bytes;   ///< [n, size, size, 3], RGB
  std::vector<std::int64_t> labels;  ///< n class indices
  int size = 0;
};

/// Means over pictures.
struct Scores {
  double loss = 0;      ///< cross entropy
  double accuracy = 0;  ///< 0…1
};

/// A network with its optimiser: one step of training, one batch of validation.
///
/// With recipe.norm_batch a batch is trained in parts: each has batch statistics of its own ("ghost batch
/// norm", arXiv:1705.08741) and so needs no other until the gradients are added. The parts are computed by
/// threads of their own, which meet twice in a step instead of twice in every operation: that keeps its speed
/// on a machine that does other things too. The result depends on the parts, not on the threads.
class Learner {
 public:
  /// @param network with its weights, on the CPU
  /// @param device "auto", "cpu" or "cuda"
  /// @param threads of the processor
  /// @throws Error device
  Learner(const Recipe& recipe, const Preprocessing& preprocessing, const ResNet& network,
          const std::string& device, int threads);

  /// One step. @return the loss with label smoothing, and how many the network had right before the step
  Scores train(LabelledPixels& batch, double lr);
  /// The scores of the network as it would be saved now.
  Scores evaluate(LabelledPixels& batch);

  /// A copy on the CPU with the mean of the parts' running statistics.
  ResNet network() const;
  NamedTensors optimizer_state() const;
  /// @throws Error mismatch naming the tensor
  void load_optimizer_state(const NamedTensors& state, const std::string& where);

 private:
  using Parameters = std::vector<at::Tensor>;

  void add_replica(const ResNet& network);
  void train_mode(bool on);
  void average_running_statistics() const;
  double train_part(std::size_t part, const at::Tensor& input, const at::Tensor& target, double share,
                    std::int64_t& correct);
  at::Tensor to_input(LabelledPixels& batch) const;
  at::Tensor to_target(const LabelledPixels& batch) const;
  at::Tensor logits(ResNet& network, const at::Tensor& input) const;

  const Recipe& recipe_;
  at::Device device_;
  bool bf16_;
  bool training_ = false;
  at::Tensor mean_, inverse_std_;
  std::vector<ResNet> replicas_;  ///< by part: the same parameters, gradients and statistics of their own
  std::vector<Parameters> parameters_;           ///< by part
  std::vector<NetworkOptimizer> optimizers_;     ///< by member of the team: each steps some of the parameters
  std::vector<std::vector<std::size_t>> steps_;  ///< by member: indices of those parameters
  std::unique_ptr<Team> team_;
};

}  // namespace resnet

#endif
