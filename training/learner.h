#ifndef RESNET_TRAINING_LEARNER_H
#define RESNET_TRAINING_LEARNER_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/preprocessing.h"
#include "model/resnet_fwd.h"
#include "training/gradient_buckets.h"
#include "training/optimizer.h"
#include "training/process_group.h"
#include "training/recipe.h"
#include "training/team.h"
#include "training/tile_convolution.h"

namespace resnet {

/// Pictures of one size with the classes they are of.
struct LabelledPixels {
  std::vector<std::uint8_t> bytes;   ///< [n, size, size, 3], RGB
  std::vector<std::int64_t> labels;  ///< n class indices
  int size = 0;
  std::vector<std::int64_t> second_labels;  ///< of mixed pictures, n; empty: none
  double second_weight = 0;                 ///< of those, 0…1; the rest is the first labels'
};

/// Means over pictures.
struct Scores {
  double loss = 0;      ///< cross entropy
  double accuracy = 0;  ///< 0…1
};

/// @param logits [n, classes] fp32
Scores scores_of(const at::Tensor& logits, const std::vector<std::int64_t>& labels);

/// A network with its optimiser: one step of training, one batch of validation.
///
/// With recipe.norm_batch a batch is trained in parts: each has batch statistics of its own ("ghost batch
/// norm", arXiv:1705.08741) and so needs no other until the gradients are added. The parts are computed by
/// threads of their own, which meet twice in a step instead of twice in every operation: that keeps its speed
/// on a machine that does other things too. The result depends on the parts, not on the threads.
///
/// Of a group of processes each has the same network and trains a share of every batch; the gradients are
/// summed. What a batch norm takes together lies within a share then, or, without recipe.norm_batch and with
/// recipe.sync_bn, in all of them. All processes call train(), begin_evaluation() and state() together.
class Learner {
 public:
  /// @param network with its weights, on the CPU
  /// @param class_weights of the loss, by class; empty: 1
  /// @param device "auto", "cpu" or "cuda"
  /// @param threads of the processor
  /// @param group must outlive this
  /// @throws Error device
  Learner(const Recipe& recipe, const Preprocessing& preprocessing, const ResNet& network,
          const std::vector<float>& class_weights, const std::string& device, int threads,
          const ProcessGroup& group);

  /// One step.
  /// @param batch this process's share, perhaps nothing
  /// @param all pictures of all shares
  /// @return of all of them the loss with label smoothing, and how many the network had right before the step
  Scores train(LabelledPixels& batch, std::size_t all, double lr);
  /// Evaluation follows: the running statistics become the mean of all parts'. All processes call it
  /// together.
  void begin_evaluation() { train_mode(false); }
  /// [n, classes] fp32 on the CPU, by the network as it would be saved now.
  /// @param flip_average the mean of those of each picture and its mirror image
  at::Tensor evaluate(LabelledPixels& batch, bool flip_average);

  /// What is validated and saved: a copy on the CPU with the mean of the parts' running statistics, or with
  /// recipe.ema the moving mean of everything.
  ResNet network() const;

  /// Fewer pictures than that of a batch a share must not have: batch norm has no variance of one.
  std::size_t least_share() const { return synchronised_ ? 1 : 2; }

  /// All that goes on after a resume, bit for bit; the same in all processes.
  NamedTensors state() const;
  /// @param state of as many processes, or of one
  /// @throws Error mismatch naming the tensor
  void load_state(const NamedTensors& state, const std::string& where);

 private:
  using Tensors = std::vector<at::Tensor>;

  /// The network, of which each part has one: the same parameters, gradients and statistics of their own.
  struct Replica {
    ResNet network;
    Tensors parameters;  ///< that are trained
    Tensors statistics;  ///< of the batch norms
  };

  /// Labels of a batch or of a part of it, on the device.
  struct Targets {
    at::Tensor first, second;  ///< second: undefined without
    double second_weight = 0;

    Targets slice(std::int64_t begin, std::int64_t end) const {
      return {first.slice(0, begin, end), second.defined() ? second.slice(0, begin, end) : second,
              second_weight};
    }
  };

  Replica make_replica(const ResNet& network) const;
  void share_out(std::size_t members);
  void train_mode(bool on);
  void average_statistics(const Tensors& to) const;
  void average_over_processes(const Tensors& statistics) const;
  void append_statistics(Tensors& to) const;
  Tensors own_statistics() const;
  void train_slice(const at::Tensor& input, const Targets& targets, std::int64_t all, bool first, bool last,
                   Scores& sum);
  Scores compute_gradients(const at::Tensor& input, const Targets& targets, std::int64_t all);
  void add_up_gradients();
  double train_part(Replica& replica, const at::Tensor& input, const Targets& targets, double share,
                    std::int64_t& correct) const;
  double gradient_norm() const;
  void climb();
  void climb_down();
  Tensors changed_by_climbing() const;
  void copy(const Tensors& from, const Tensors& to) const;
  void clip_gradients();
  void step(std::size_t member, double lr);
  void update_tiles();
  at::Tensor to_input(LabelledPixels& batch) const;
  at::Tensor loss_of(const at::Tensor& output, const at::Tensor& target) const;
  at::Tensor logits(const ResNet& network, const at::Tensor& input) const;
  const Replica& saved() const { return recipe_.ema > 0 ? average_ : replicas_.front(); }

  const Recipe recipe_;
  const ProcessGroup& group_;
  at::Device device_;
  bool synchronised_;  ///< batch norms take the pictures of all processes together
  bool bf16_;
  bool training_ = false;
  std::int64_t steps_ = 0;  ///< taken
  at::Tensor mean_, inverse_std_, class_weights_;
  std::vector<Replica> replicas_;             ///< by part
  Replica average_;                           ///< with recipe.ema: the moving mean
  std::vector<NetworkOptimizer> optimizers_;  ///< by member of the team: each steps some of the parameters
  std::vector<std::vector<std::size_t>> shares_;  ///< by member: indices of those parameters
  Tensors foot_;                                  ///< with recipe.sam: changed_by_climbing() before climb()
  std::vector<std::shared_ptr<const TileWeights>> tile_weights_;
  std::unique_ptr<Team> team_;
  std::unique_ptr<GradientBuckets> buckets_;  ///< null: alone
};

}  // namespace resnet

#endif
