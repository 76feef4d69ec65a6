#ifndef RESNET_TRAINING_OPTIMIZER_H
#define RESNET_TRAINING_OPTIMIZER_H

#include <memory>
#include <vector>

#include "model/checkpoint.h"
#include "training/recipe.h"

namespace torch::optim {
class Optimizer;
}

namespace resnet {

/// LibTorch's Adam, AdamW or SGD over parameters of a network, with a state that can be saved by name.
class NetworkOptimizer {
 public:
  /// Weight decay acts on matrices and filters, not on biases and batch norms. All but the head ("fc.…")
  /// takes recipe.body_lr of the learning rate.
  NetworkOptimizer(const Recipe& recipe, NamedTensors parameters);
  ~NetworkOptimizer();
  NetworkOptimizer(NetworkOptimizer&&) noexcept;

  void set_lr(double lr);
  void step();

  /// "layer1.0.conv1.weight/momentum", …; empty before the first step.
  NamedTensors state() const;
  /// @throws Error mismatch naming the tensor
  void load_state(const NamedTensors& state, const std::string& where);

 private:
  std::string kind_;
  NamedTensors parameters_;
  std::vector<double> rates_;  ///< by parameter group, of the learning rate
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

}  // namespace resnet

#endif
