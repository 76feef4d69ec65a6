#ifndef RESNET_TRAINING_OPTIMIZER_H
#define RESNET_TRAINING_OPTIMIZER_H

#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "training/recipe.h"

namespace resnet {

/// Adam, AdamW or SGD over parameters of a network by LibTorch's fused operators, which read and write each
/// number once. With a state that can be saved by name.
class NetworkOptimizer {
 public:
  /// Weight decay acts on matrices and filters, not on biases and batch norms. All but the head ("fc.…")
  /// takes recipe.body_lr of the learning rate.
  NetworkOptimizer(const Recipe& recipe, NamedTensors parameters);

  /// Parameters without a gradient stay as they are.
  void step(double lr);

  /// "layer1.0.conv1.weight/momentum", …; empty before the first step.
  NamedTensors state() const;
  /// @throws Error mismatch naming the tensor
  void load_state(const NamedTensors& state, const std::string& where);

 private:
  /// A kind of state, by parameter: a tensor of its shape, or a number.
  struct Field {
    std::string name;
    bool number = false;  ///< of steps
    std::vector<at::Tensor> values = {};
  };
  /// What parameters have in common that an operator takes together, and which these are.
  struct Group {
    bool decays = false, head = false;
    std::vector<std::size_t> parameters;
  };

  void make_fields();
  NamedTensors named_fields() const;
  void step(const Group& group, double lr);

  std::string kind_;
  double momentum_, weight_decay_, body_lr_;
  bool nesterov_;
  NamedTensors parameters_;
  std::vector<Group> groups_;
  std::vector<Field> fields_;
  bool stepped_ = false;  ///< fields_ have values
};

}  // namespace resnet

#endif
