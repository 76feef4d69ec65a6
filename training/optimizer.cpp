#include "training/optimizer.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "model/error.h"
#include "training/state_tensors.h"

namespace resnet {
namespace {

/// The operators take numbers as they lie in memory.
at::Tensor laid_out_as(const at::Tensor& like, const at::Tensor& tensor) {
  return tensor.strides() == like.strides() ? tensor : at::empty_like(like).copy_(tensor);
}

}  // namespace

NetworkOptimizer::NetworkOptimizer(const Recipe& recipe, NamedTensors parameters)
    : kind_(recipe.optimizer),
      momentum_(recipe.momentum),
      weight_decay_(recipe.weight_decay),
      body_lr_(recipe.body_lr),
      nesterov_(recipe.nesterov && recipe.momentum > 0),
      parameters_(std::move(parameters)) {
  if (kind_ == "sgd") {
    if (momentum_ > 0) fields_ = {{"momentum"}};
  } else if (kind_ == "adamw" || kind_ == "adam") {
    fields_ = {{"exp_avg"}, {"exp_avg_sq"}, {"step", true}};
  } else {
    throw Error(ErrorCode::unsupported, "--optimizer " + kind_ + " is unknown; expected adam, adamw or sgd");
  }
  for (const bool decays : {false, true}) {
    for (const bool head : {false, true}) {
      Group group{decays, head, {}};
      for (std::size_t i = 0; i < parameters_.size(); ++i) {
        const auto& [name, tensor] = parameters_[i];
        if ((tensor.dim() > 1) == decays && name.starts_with("fc.") == head) group.parameters.push_back(i);
      }
      if (!group.parameters.empty()) groups_.push_back(std::move(group));
    }
  }
}

void NetworkOptimizer::make_fields() {
  for (Field& field : fields_) {
    field.values.clear();
    for (const auto& entry : parameters_) {
      const at::Tensor parameter = entry.second.detach();
      field.values.push_back(field.number ? at::zeros({}, parameter.options()) : at::zeros_like(parameter));
    }
  }
  stepped_ = true;
}

void NetworkOptimizer::step(double lr) {
  if (!stepped_) make_fields();
  const at::NoGradGuard no_grad;
  for (const Group& group : groups_) step(group, group.head ? lr : lr * body_lr_);
}

void NetworkOptimizer::step(const Group& group, double lr) {
  std::vector<at::Tensor> parameters, gradients;
  std::vector<std::vector<at::Tensor>> state(fields_.size());
  for (const std::size_t i : group.parameters) {
    const at::Tensor& parameter = parameters_[i].second;
    if (!parameter.grad().defined()) continue;
    parameters.push_back(parameter);
    gradients.push_back(laid_out_as(parameter, parameter.grad()));
    for (std::size_t f = 0; f < fields_.size(); ++f) state[f].push_back(fields_[f].values[i]);
  }
  if (parameters.empty()) return;
  const double weight_decay = group.decays ? weight_decay_ : 0;
  if (kind_ == "sgd") {
    // Of a momentum that was 0 the first step makes the gradient.
    at::_fused_sgd_(parameters, gradients, momentum_ > 0 ? state[0] : std::vector<at::Tensor>{}, weight_decay,
                    momentum_, lr, /*dampening=*/0, nesterov_, /*maximize=*/false, /*is_first_step=*/false);
    return;
  }
  at::_foreach_add_(state[2], 1);
  const auto fused = [&](const auto& step) {
    step(parameters, gradients, state[0], state[1], std::vector<at::Tensor>{}, state[2]);
  };
  constexpr double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  if (kind_ == "adamw") {
    fused([&](const auto&... tensors) {
      at::_fused_adamw_(tensors..., lr, beta1, beta2, weight_decay, eps, /*amsgrad=*/false,
                        /*maximize=*/false);
    });
  } else {
    fused([&](const auto&... tensors) {
      at::_fused_adam_(tensors..., lr, beta1, beta2, weight_decay, eps, /*amsgrad=*/false,
                       /*maximize=*/false);
    });
  }
}

NamedTensors NetworkOptimizer::named_fields() const {
  NamedTensors result;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    for (const Field& field : fields_)
      result.emplace_back(parameters_[i].first + "/" + field.name, field.values[i]);
  }
  return result;
}

NamedTensors NetworkOptimizer::state() const {
  if (!stepped_) return {};
  NamedTensors result = named_fields();
  for (auto& [name, value] : result) {
    if (value.dim() == 0) value = value.to(at::kLong);  // of steps
  }
  return result;
}

void NetworkOptimizer::load_state(const NamedTensors& state, const std::string& where) {
  if (state.empty()) return;  // sgd without momentum keeps none, and nobody does before the first step
  make_fields();
  restore(named_fields(), state, where);
}

}  // namespace resnet
