// Convolutions by AMX's tiles beside LibTorch's in fp32.
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/cpu/kernels.h"
#include "model/resnet.h"
#include "tests/training/relative_error.h"
#include "training/tile_convolution.h"

namespace resnet {
namespace {

struct Results {
  at::Tensor y, of_x, of_weight;
};

Results run(Conv2dImpl& conv, const at::Tensor& x, const at::Tensor& gradient) {
  const at::Tensor input = x.detach().clone().set_requires_grad(true);
  conv.zero_grad();
  const at::Tensor y = conv.forward(input);
  y.backward(gradient.to(y.scalar_type()));
  return {y.detach(), input.grad(), conv.weight.grad().clone()};
}

struct Case {
  int pictures, height, width;
};

class Tiles : public testing::Test {
 protected:
  void SetUp() override {
    if (cpu::amx_bf16_kernels() == nullptr) GTEST_SKIP() << "this CPU has no AMX";
  }

  /// With weights that bf16 holds.
  static ResNet make_network(int width = 32) {
    at::manual_seed(1);
    ResNet network = make_resnet(Architecture{BlockType::basic, {1, 1, 1, 1}, width}, 3);
    const torch::NoGradGuard no_grad;
    for (const at::Tensor& parameter : network->parameters()) {
      parameter.copy_(parameter.to(at::kBFloat16));
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
    }
    network->train();
    return network;
  }
};

class TileConvolution : public Tiles, public testing::WithParamInterface<Case> {
 protected:
  static void expect_equal(Conv2dImpl& tiled, Conv2dImpl& plain) {
    const Case shape = GetParam();
    const at::Tensor x = at::randn({shape.pictures, tiled.options.in_channels(), shape.height, shape.width})
                             .to(at::kBFloat16)
                             .contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor gradient = at::randn_like(plain.forward(x.to(at::kFloat))).to(at::kBFloat16);
    const Results tiles = run(tiled, x, gradient), expected = run(plain, x.to(at::kFloat), gradient);
    EXPECT_EQ(tiles.y.scalar_type(), at::kBFloat16);
    EXPECT_EQ(tiles.of_weight.scalar_type(), at::kFloat);
    EXPECT_LE(error_of(tiles.y, expected.y), 0.003);  // of rounding to 8 bits
    EXPECT_LE(error_of(tiles.of_x, expected.of_x), 0.003);
    EXPECT_LE(error_of(tiles.of_weight, expected.of_weight), 1e-5);
  }
};

BasicBlockImpl& block_of(torch::nn::Sequential layer) { return *layer[0]->as<BasicBlock>(); }

TEST_P(TileConvolution, EqualsTheOperator) {
  const ResNet tiled = make_network(), plain = make_network();
  ASSERT_FALSE(use_tiles({tiled}).empty());
  BasicBlockImpl &fast = block_of(tiled->layer2), &slow = block_of(plain->layer2);
  expect_equal(*fast.conv1, *slow.conv1);                                              // 3×3, stride 2
  expect_equal(*fast.conv2, *slow.conv2);                                              // 3×3
  expect_equal(*fast.downsample[0]->as<Conv2d>(), *slow.downsample[0]->as<Conv2d>());  // 1×1, stride 2
}

INSTANTIATE_TEST_SUITE_P(Shapes, TileConvolution,
                         testing::Values(Case{32, 8, 8}, Case{7, 5, 6}, Case{50, 3, 2}, Case{64, 1, 1},
                                         Case{16, 40, 3}));

TEST_F(Tiles, TakesNewWeights) {
  const ResNet tiled = make_network(), plain = make_network();
  const auto weights = use_tiles({tiled});
  const at::Tensor x = at::randn({4, 32, 4, 4}).to(at::kBFloat16);
  Conv2dImpl &fast = *block_of(tiled->layer1).conv1, &slow = *block_of(plain->layer1).conv1;
  const torch::NoGradGuard no_grad;
  fast.weight.mul_(2);
  for (const auto& weight : weights) weight->update();
  EXPECT_LE(error_of(fast.forward(x), 2 * slow.forward(x.to(at::kFloat))), 0.003);
}

TEST_F(Tiles, LeavesWhatDoesNotFit) {
  const ResNet network = make_network(24);
  EXPECT_TRUE(use_tiles({network}).empty());
  EXPECT_FALSE(block_of(network->layer1).conv1->train_forward);
}

}  // namespace
}  // namespace resnet
