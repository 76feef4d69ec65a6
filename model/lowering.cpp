#include "model/lowering.h"

#include <ATen/core/grad_mode.h>

namespace resnet {
namespace {

/// conv, then bn with its running statistics, is a convolution with weight·s and bias β − μ·s where
/// s = γ/√(σ² + ε). Computed in double: the fold adds no error of its own to fp32.
Step fold(const torch::nn::Conv2dImpl& conv, const torch::nn::BatchNorm2dImpl& bn, Step::Register input,
          Step::Register output, bool relu) {
  const at::Tensor scale =
      bn.weight.cpu().to(at::kDouble) / (bn.running_var.cpu().to(at::kDouble) + bn.options.eps()).sqrt();
  Step step;
  step.kind = Step::Kind::convolution;
  step.input = input;
  step.output = output;
  step.weight = (conv.weight.cpu().to(at::kDouble) * scale.view({-1, 1, 1, 1})).to(at::kFloat).contiguous();
  step.bias = (bn.bias.cpu().to(at::kDouble) - bn.running_mean.cpu().to(at::kDouble) * scale).to(at::kFloat);
  step.stride = static_cast<int>(conv.options.stride()->at(0));
  step.padding = static_cast<int>(conv.weight.size(2) / 2);
  step.groups = static_cast<int>(conv.options.groups());
  step.relu = relu;
  return step;
}

Step fold_add(const torch::nn::Conv2dImpl& conv, const torch::nn::BatchNorm2dImpl& bn) {
  Step step = fold(conv, bn, Step::inner, Step::block, true);
  step.kind = Step::Kind::convolution_add;
  return step;
}

void lower_downsample(torch::nn::Sequential downsample, std::vector<Step>& steps) {
  if (!downsample) return;
  steps.push_back(fold(*downsample[0]->as<torch::nn::Conv2d>(), *downsample[1]->as<torch::nn::BatchNorm2d>(),
                       Step::block, Step::block, false));
}

void lower_layer(const torch::nn::Sequential& layer, std::vector<Step>& steps) {
  for (const auto& module : layer->children()) {
    if (auto* basic = module->as<BasicBlock>()) {
      steps.push_back(fold(*basic->conv1, *basic->bn1, Step::block, Step::inner, true));
      lower_downsample(basic->downsample, steps);
      steps.push_back(fold_add(*basic->conv2, *basic->bn2));
    } else if (auto* bottleneck = module->as<Bottleneck>()) {
      steps.push_back(fold(*bottleneck->conv1, *bottleneck->bn1, Step::block, Step::inner, true));
      steps.push_back(fold(*bottleneck->conv2, *bottleneck->bn2, Step::inner, Step::inner, true));
      lower_downsample(bottleneck->downsample, steps);
      steps.push_back(fold_add(*bottleneck->conv3, *bottleneck->bn3));
    }
  }
}

}  // namespace

std::vector<Step> lower(const ResNet& network) {
  const at::NoGradGuard no_grad;
  std::vector<Step> steps;
  steps.push_back(fold(*network->conv1, *network->bn1, Step::block, Step::block, true));
  Step pool;
  pool.kind = Step::Kind::max_pool;
  steps.push_back(pool);
  for (const auto& layer : {network->layer1, network->layer2, network->layer3, network->layer4}) {
    lower_layer(layer, steps);
  }
  Step head;
  head.kind = Step::Kind::head;
  if (network->fc) {
    head.weight = network->fc->weight.detach().cpu().to(at::kFloat).contiguous();
    head.bias = network->fc->bias.detach().cpu().to(at::kFloat).contiguous();
  }
  steps.push_back(head);
  return steps;
}

}  // namespace resnet
