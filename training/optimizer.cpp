#include "training/optimizer.h"

#include <functional>
#include <map>

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include "model/error.h"

namespace resnet {
namespace {

using torch::optim::AdamParamState;
using torch::optim::AdamWParamState;
using torch::optim::OptimizerParamGroup;
using torch::optim::OptimizerParamState;
using torch::optim::SGDParamState;

/// What parameters have in common that a group takes together.
struct GroupKind {
  bool decays = false, head = false;
  auto operator<=>(const GroupKind&) const = default;
};

using Groups = std::map<GroupKind, std::vector<at::Tensor>>;

Groups group(const NamedTensors& parameters) {
  Groups groups;
  for (const auto& [name, tensor] : parameters)
    groups[{tensor.dim() > 1, name.starts_with("fc.")}].push_back(tensor);
  return groups;
}

template <typename Optimizer, typename Options>
std::unique_ptr<torch::optim::Optimizer> make_optimizer(const Groups& groups, const Options& options,
                                                        double weight_decay) {
  std::vector<OptimizerParamGroup> result;
  for (const auto& [kind, parameters] : groups) {
    Options own = options;
    own.weight_decay(kind.decays ? weight_decay : 0);
    result.emplace_back(parameters, std::make_unique<Options>(own));
  }
  return std::make_unique<Optimizer>(std::move(result), options);
}

/// Adam's and AdamW's states have the same three fields.
template <typename State>
void export_adam(const std::string& name, const OptimizerParamState& base, NamedTensors& out) {
  const auto& state = static_cast<const State&>(base);
  out.emplace_back(name + "/step", at::scalar_tensor(state.step(), at::kLong));
  out.emplace_back(name + "/exp_avg", state.exp_avg());
  out.emplace_back(name + "/exp_avg_sq", state.exp_avg_sq());
}

using Find = std::function<at::Tensor(const std::string& field, const at::Tensor& like)>;

template <typename State>
std::unique_ptr<OptimizerParamState> import_adam(const at::Tensor& parameter, const Find& find) {
  auto state = std::make_unique<State>();
  state->step(find("step", at::zeros({}, at::kLong)).template item<std::int64_t>());
  state->exp_avg(find("exp_avg", parameter));
  state->exp_avg_sq(find("exp_avg_sq", parameter));
  return state;
}

}  // namespace

NetworkOptimizer::NetworkOptimizer(const Recipe& recipe, NamedTensors parameters)
    : kind_(recipe.optimizer), parameters_(std::move(parameters)) {
  const Groups groups = group(parameters_);
  for (const auto& one : groups) rates_.push_back(one.first.head ? 1 : recipe.body_lr);
  if (kind_ == "sgd") {
    torch::optim::SGDOptions options(recipe.lr);
    options.momentum(recipe.momentum).nesterov(recipe.nesterov && recipe.momentum > 0);
    optimizer_ = make_optimizer<torch::optim::SGD>(groups, options, recipe.weight_decay);
  } else if (kind_ == "adamw") {
    optimizer_ = make_optimizer<torch::optim::AdamW>(groups, torch::optim::AdamWOptions(recipe.lr),
                                                     recipe.weight_decay);
  } else if (kind_ == "adam") {
    optimizer_ =
        make_optimizer<torch::optim::Adam>(groups, torch::optim::AdamOptions(recipe.lr), recipe.weight_decay);
  } else {
    throw Error(ErrorCode::unsupported, "--optimizer " + kind_ + " is unknown; expected adam, adamw or sgd");
  }
}

NetworkOptimizer::~NetworkOptimizer() = default;
NetworkOptimizer::NetworkOptimizer(NetworkOptimizer&&) noexcept = default;

void NetworkOptimizer::set_lr(double lr) {
  for (std::size_t i = 0; i < rates_.size(); ++i)
    optimizer_->param_groups()[i].options().set_lr(lr * rates_[i]);
}

void NetworkOptimizer::step() { optimizer_->step(); }

NamedTensors NetworkOptimizer::state() const {
  NamedTensors result;
  const auto& states = optimizer_->state();
  for (const auto& [name, parameter] : parameters_) {
    const auto found = states.find(parameter.unsafeGetTensorImpl());
    if (found == states.end()) {
      continue;
    }
    if (kind_ == "sgd") {
      const at::Tensor& momentum = static_cast<const SGDParamState&>(*found->second).momentum_buffer();
      if (momentum.defined()) {
        result.emplace_back(name + "/momentum", momentum);
      }
    } else if (kind_ == "adamw") {
      export_adam<AdamWParamState>(name, *found->second, result);
    } else {
      export_adam<AdamParamState>(name, *found->second, result);
    }
  }
  return result;
}

void NetworkOptimizer::load_state(const NamedTensors& state, const std::string& where) {
  if (state.empty()) return;  // sgd without momentum keeps none, and nobody does before the first step
  const std::map<std::string, at::Tensor> by_name(state.begin(), state.end());
  for (const auto& entry : parameters_) {
    const std::string& name = entry.first;
    const at::Tensor& parameter = entry.second;
    const Find find = [&](const std::string& field, const at::Tensor& like) {
      const auto found = by_name.find(name + "/" + field);
      if (found == by_name.end() || found->second.sizes() != like.sizes()) {
        throw Error(ErrorCode::mismatch, where + " has no fitting '" + name + "/" + field +
                                             "' for the optimizer " + kind_ +
                                             "; use the optimizer it was written with, or --fresh");
      }
      at::Tensor result = at::empty_like(like);  // keeps the memory layout of the parameter
      result.copy_(found->second);
      return result;
    };
    auto& slot = optimizer_->state()[parameter.unsafeGetTensorImpl()];
    if (kind_ == "sgd") {
      auto sgd = std::make_unique<SGDParamState>();
      sgd->momentum_buffer(find("momentum", parameter.detach()));
      slot = std::move(sgd);
    } else if (kind_ == "adamw") {
      slot = import_adam<AdamWParamState>(parameter.detach(), find);
    } else {
      slot = import_adam<AdamParamState>(parameter.detach(), find);
    }
  }
}

}  // namespace resnet
