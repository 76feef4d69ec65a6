#include <cmath>

#include <ATen/Context.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include "model/resnet.h"

namespace resnet {
namespace {

/// Within five standard errors of what `deviation` around 0 gives.
void expect_normal(const std::string& name, const at::Tensor& values, double deviation) {
  const auto count = static_cast<double>(values.numel());
  EXPECT_NEAR(values.mean().item<double>(), 0, 5 * deviation / std::sqrt(count)) << name;
  EXPECT_NEAR(values.std().item<double>(), deviation, 5 * deviation / std::sqrt(2 * count)) << name;
}

/// torch.nn.Linear's: uniform within 1/√in_features.
void expect_uniform(const std::string& name, const at::Tensor& values, double bound) {
  const double largest = values.abs().max().item<double>();
  EXPECT_LE(largest, bound) << name;
  EXPECT_GT(largest, bound * (1 - 20.0 / static_cast<double>(values.numel()))) << name;
}

TEST(ResNet, StartsFromKaimingFanOut) {
  at::manual_seed(7);
  for (const Architecture& architecture : {Architecture{BlockType::basic, {1, 1, 1, 1}, 32, 1, 64},
                                           Architecture{BlockType::bottleneck, {1, 2, 1, 1}, 32, 4, 32}}) {
    ResNet network = make_resnet(architecture, 50);
    const double bound = 1 / std::sqrt(architecture.features());
    int convolutions = 0;
    for (const auto& [name, tensor] : network->state_dict()) {
      if (tensor.dim() == 4) {
        expect_normal(name, tensor,
                      std::sqrt(2.0 / static_cast<double>(tensor.size(0) * tensor[0][0].numel())));
        ++convolutions;
      } else if (name.starts_with("fc.")) {
        expect_uniform(name, tensor, bound);
      } else {
        const bool one = name.ends_with(".weight") || name.ends_with(".running_var");
        EXPECT_TRUE(tensor.eq(one ? 1 : 0).all().item<bool>()) << name;
      }
    }
    EXPECT_EQ(convolutions, architecture.block == BlockType::basic ? 12 : 20);
    network->replace_head(60);
    expect_uniform("new fc.weight", network->fc->weight, bound);
    expect_uniform("new fc.bias", network->fc->bias, bound);
  }
}

TEST(ResNet, WithoutAHeadGivesTheFeatures) {
  ResNet network = make_resnet(Architecture{BlockType::basic, {1, 1, 1, 1}, 16, 1, 64}, 0);
  network->eval();
  const at::Tensor input = at::full({2, 3, 32, 32}, 0.5);
  EXPECT_EQ(network->forward(input).sizes(), (at::IntArrayRef{2, 128}));
  EXPECT_TRUE(network->forward(input).equal(network->forward_features(input)));
  network->replace_head(3);
  EXPECT_EQ(network->forward(input).sizes(), (at::IntArrayRef{2, 3}));
  EXPECT_EQ(network->num_classes(), 3);
}

}  // namespace
}  // namespace resnet
