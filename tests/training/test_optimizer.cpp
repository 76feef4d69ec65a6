// Steps beside LibTorch's optimisers.
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "training/optimizer.h"

namespace resnet {
namespace {

constexpr double lr = 0.1;

/// Of a body and a head, filters channels last.
NamedTensors make_parameters() {
  at::manual_seed(1);
  NamedTensors parameters{
      {"conv1.weight", at::randn({8, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast)},
      {"bn1.bias", at::randn({8})},
      {"fc.weight", at::randn({5, 8})},
      {"fc.bias", at::randn({5})}};
  for (auto& entry : parameters) entry.second.set_requires_grad(true);
  return parameters;
}

Recipe make_recipe(const std::string& optimizer) {
  Recipe recipe;
  recipe.optimizer = optimizer;
  recipe.weight_decay = 0.05;
  recipe.body_lr = 0.5;
  return recipe;
}

/// Each a group of its own.
template <typename Optimizer, typename Options>
std::unique_ptr<torch::optim::Optimizer> make_reference(const NamedTensors& parameters, Options options) {
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (const auto& [name, tensor] : parameters) {
    options.weight_decay(tensor.dim() > 1 ? 0.05 : 0).lr(name.starts_with("fc.") ? lr : lr / 2);
    groups.emplace_back(std::vector<at::Tensor>{tensor}, std::make_unique<Options>(options));
  }
  return std::make_unique<Optimizer>(std::move(groups), options);
}

std::unique_ptr<torch::optim::Optimizer> make_reference(const std::string& kind,
                                                        const NamedTensors& parameters) {
  using namespace torch::optim;
  if (kind == "sgd") return make_reference<SGD>(parameters, SGDOptions(lr).momentum(0.9).nesterov(true));
  if (kind == "adam") return make_reference<Adam>(parameters, AdamOptions(lr));
  return make_reference<AdamW>(parameters, AdamWOptions(lr));
}

class OptimizerKind : public testing::TestWithParam<std::string> {};

void set_gradients(const NamedTensors& parameters, int step) {
  at::manual_seed(static_cast<std::uint64_t>(step));
  // As they lie in memory is nothing that a gradient must keep to.
  for (const auto& entry : parameters) entry.second.mutable_grad() = at::randn(entry.second.sizes());
}

TEST_P(OptimizerKind, StepsAsLibTorch) {
  const NamedTensors parameters = make_parameters(), expected = make_parameters();
  NetworkOptimizer optimizer(make_recipe(GetParam()), parameters);
  const auto reference = make_reference(GetParam(), expected);
  for (int step = 0; step < 4; ++step) {
    set_gradients(parameters, step);
    set_gradients(expected, step);
    optimizer.step(lr);
    reference->step();
  }
  for (std::size_t i = 0; i < parameters.size(); ++i)
    EXPECT_TRUE(parameters[i].second.allclose(expected[i].second, 1e-5, 1e-6)) << parameters[i].first;
}

TEST_P(OptimizerKind, GoesOnFromItsState) {
  const NamedTensors one = make_parameters(), other = make_parameters();
  NetworkOptimizer first(make_recipe(GetParam()), one);
  EXPECT_TRUE(first.state().empty());
  set_gradients(one, 1);
  first.step(lr);
  NetworkOptimizer second(make_recipe(GetParam()), other);
  second.load_state(first.state(), "here");
  for (std::size_t i = 0; i < one.size(); ++i) other[i].second.detach().copy_(one[i].second.detach());
  set_gradients(one, 2);
  set_gradients(other, 2);
  first.step(lr);
  second.step(lr);
  for (std::size_t i = 0; i < one.size(); ++i)
    EXPECT_TRUE(one[i].second.equal(other[i].second)) << one[i].first;
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerKind, testing::Values("sgd", "adam", "adamw"));

TEST(Optimizer, LeavesWhatHasNoGradient) {
  const NamedTensors parameters = make_parameters(), before = make_parameters();
  NetworkOptimizer optimizer(make_recipe("sgd"), parameters);
  parameters[2].second.mutable_grad() = at::randn({5, 8});
  optimizer.step(lr);
  EXPECT_TRUE(parameters[0].second.equal(before[0].second));
  EXPECT_FALSE(parameters[2].second.equal(before[2].second));
}

}  // namespace
}  // namespace resnet
