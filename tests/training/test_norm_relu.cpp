// Batch norm, addition and ReLU in one go beside LibTorch's operators one after another, in fp32.
#include <limits>

#include <ATen/ops/arange.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/where.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/resnet.h"
#include "tests/training/relative_error.h"
#include "training/norm_relu.h"

namespace resnet {
namespace {

struct Results {
  at::Tensor y, of_x, of_added, of_weight, of_bias, running_mean, running_var;
};

/// The first norm of a network that is trained, on such numbers.
Results run(BatchNorm2d norm, const at::Tensor& x, const at::Tensor& added, const at::Tensor& gradient) {
  const at::Tensor input = x.detach().clone().set_requires_grad(true);
  const at::Tensor summand = added.defined() ? added.detach().clone().set_requires_grad(true) : added;
  norm->zero_grad();
  const at::Tensor y = norm->forward_relu(input, summand);
  y.backward(gradient.to(y.scalar_type()));
  return {y.detach(),
          input.grad(),
          summand.defined() ? summand.grad() : summand,
          norm->weight.grad().clone(),
          norm->bias.grad().clone(),
          norm->running_mean.clone(),
          norm->running_var.clone()};
}

class NormAlone : public testing::Test {
 protected:
  /// A network's first norm, with weights that differ.
  static BatchNorm2d make_norm(bool fused, bool places_first = false) {
    ResNet network = make_resnet(Architecture{BlockType::basic, {1, 1, 1, 1}, 24}, 3);
    at::manual_seed(1);
    network->bn1->weight.set_data(at::rand(24) + 0.5);
    network->bn1->bias.set_data(at::randn(24));
    network->train();
    if (fused) fuse_norms(network, places_first);
    return network->bn1;
  }
};

class NormRelu : public NormAlone, public testing::WithParamInterface<bool> {};

TEST_P(NormRelu, EqualsTheSteps) {
  at::manual_seed(2);
  // A mean that is large beside the deviation: sums must not lose it.
  const auto picture = [] {
    return (at::randn({3, 24, 17, 15}) + 5).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  };
  const at::Tensor x = picture(), gradient = at::randn(x.sizes()).to(at::kBFloat16);
  const at::Tensor added = GetParam() ? picture() - 5 : at::Tensor();
  const Results fused = run(make_norm(true), x, added, gradient);
  const Results steps = run(make_norm(false), x.to(at::kFloat), GetParam() ? added.to(at::kFloat) : added,
                            gradient.to(at::kFloat));
  EXPECT_EQ(fused.y.scalar_type(), at::kBFloat16);
  EXPECT_LE(error_of(fused.y, steps.y), 0.003);  // of rounding to 8 bits
  EXPECT_LE(error_of(fused.of_x, steps.of_x), 0.003);
  EXPECT_LE(error_of(fused.of_weight, steps.of_weight), 1e-4);
  EXPECT_LE(error_of(fused.of_bias, steps.of_bias), 1e-4);
  EXPECT_LE(error_of(fused.running_mean, steps.running_mean), 1e-5);
  EXPECT_LE(error_of(fused.running_var, steps.running_var), 1e-5);
  if (GetParam()) {
    EXPECT_TRUE(fused.of_added.equal(steps.of_added.to(at::kBFloat16)));
  }
}

TEST_P(NormRelu, TakesAnyLayout) {
  at::manual_seed(3);
  const at::Tensor x = at::randn({2, 24, 5, 3}).to(at::kBFloat16);  // contiguous by channel
  const at::Tensor added = GetParam() ? at::randn(x.sizes()).to(at::kBFloat16) : at::Tensor();
  const at::Tensor gradient = at::randn(x.sizes()).to(at::kBFloat16);
  const auto last = [](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.contiguous(at::MemoryFormat::ChannelsLast) : tensor;
  };
  const Results one = run(make_norm(true), x, added, gradient);
  const Results other = run(make_norm(true), last(x), last(added), last(gradient));
  EXPECT_TRUE(one.y.equal(other.y));
  EXPECT_LE(error_of(one.of_x, other.of_x), 1e-3);
}

TEST_F(NormAlone, EqualsTheStep) {
  at::manual_seed(5);
  const at::Tensor x = at::randn({4, 5, 2, 24}).to(at::kBFloat16).permute({2, 3, 0, 1});
  const at::Tensor gradient = at::randn(x.sizes()).to(at::kBFloat16);
  const at::Tensor input = x.detach().clone().set_requires_grad(true);
  const at::Tensor expected_input = x.to(at::kFloat).set_requires_grad(true);
  BatchNorm2d fused = make_norm(true), step = make_norm(false);
  const at::Tensor y = fused->forward(input), expected = step->forward(expected_input);
  EXPECT_EQ(y.strides(), x.strides());
  y.backward(gradient);
  expected.backward(gradient.to(at::kFloat));
  EXPECT_LE(error_of(y, expected), 0.003);
  EXPECT_LE(error_of(input.grad(), expected_input.grad()), 0.003);
  EXPECT_LE(error_of(fused->weight.grad(), step->weight.grad()), 1e-4);
  EXPECT_LE(error_of(fused->running_var, step->running_var), 1e-5);
}

TEST_P(NormRelu, KeepsNaN) {
  const at::Tensor x = at::randn({2, 24, 4, 4}).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  x[0][3][1][1] = std::numeric_limits<float>::quiet_NaN();
  const Results fused =
      run(make_norm(true), x, GetParam() ? at::zeros_like(x) : at::Tensor(), at::ones_like(x));
  EXPECT_TRUE(fused.y.select(1, 3).isnan().any().item<bool>());
}

TEST_P(NormRelu, PoolsAsTheSteps) {
  at::manual_seed(4);
  const auto make = [](bool fused) {
    BatchNorm2d norm = make_norm(fused, GetParam());
    norm->weight.set_data(at::where(at::arange(24) % 3 == 0, -norm->weight, norm->weight).detach());
    return norm;
  };
  BatchNorm2d fused = make(true), steps = make(false);
  for (const std::int64_t size : {7, 10}) {
    const at::Tensor x =
        at::randn({3, 24, size, 9}).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor input = x.clone().set_requires_grad(true);
    const at::Tensor expected_input = x.to(at::kFloat).set_requires_grad(true);
    fused->zero_grad();
    steps->zero_grad();
    const at::Tensor y = fused->forward_relu_pool(input), expected = steps->forward_relu_pool(expected_input);
    EXPECT_EQ(y.permute({2, 3, 0, 1}).is_contiguous(), GetParam());
    const at::Tensor gradient = at::randn(y.sizes()).to(at::kBFloat16);
    y.backward(gradient);
    expected.backward(gradient.to(at::kFloat));
    EXPECT_LE(error_of(y, expected), 0.003);
    EXPECT_LE(error_of(input.grad(), expected_input.grad()), 0.003);
    EXPECT_LE(error_of(fused->weight.grad(), steps->weight.grad()), 0.003);  // of x beside the greatest
    EXPECT_LE(error_of(fused->bias.grad(), steps->bias.grad()), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(Added, NormRelu, testing::Bool());

}  // namespace
}  // namespace resnet
