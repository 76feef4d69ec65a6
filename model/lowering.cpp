#include "model/lowering.h"

#include <cmath>
#include <cstring>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "model/resnet.h"
#include "model/vectorise.h"

namespace resnet {
namespace {

using Await = std::function<void(const std::string& name)>;
using Take = std::function<void(const Step&)>;

RESNET_VECTORISE void multiply(float* values, std::size_t count, double factor) {
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(values[i] * factor);
}

/// conv, then bn with its running statistics, is a convolution with weight·s and bias β − μ·s where
/// s = γ/√(σ² + ε). Computed in double: the fold adds no error of its own to fp32. By loops, because
/// LibTorch's operators would take copies of the weights in double, and its threads.
/// @param in_place the module's own weights are scaled
Step fold(const std::string& name, const torch::nn::Conv2dImpl& conv, const torch::nn::BatchNorm2dImpl& bn,
          bool in_place, Step::Register input, Step::Register output, bool relu) {
  const auto plain = [](const at::Tensor& tensor) {
    return tensor.detach().cpu().to(at::kFloat).contiguous();
  };
  const at::Tensor weight = plain(conv.weight);
  const at::Tensor gamma = plain(bn.weight), beta = plain(bn.bias);
  const at::Tensor mean = plain(bn.running_mean), variance = plain(bn.running_var);
  Step step;
  step.kind = Step::Kind::convolution;
  step.name = name;
  step.input = input;
  step.output = output;
  step.weight = in_place ? weight : at::empty_like(weight);
  auto* values = step.weight.mutable_data_ptr<float>();
  if (!in_place) std::memcpy(values, weight.const_data_ptr(), weight.nbytes());
  step.bias = at::empty_like(beta);
  const std::int64_t channels = weight.size(0), length = weight.numel() / channels;
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto value = [c](const at::Tensor& tensor) { return double{tensor.const_data_ptr<float>()[c]}; };
    const double scale = value(gamma) / std::sqrt(value(variance) + bn.options.eps());
    step.bias.mutable_data_ptr<float>()[c] = static_cast<float>(value(beta) - value(mean) * scale);
    multiply(values + c * length, static_cast<std::size_t>(length), scale);
  }
  step.stride = static_cast<int>(conv.options.stride()->at(0));
  step.padding = static_cast<int>(conv.weight.size(2) / 2);
  step.groups = static_cast<int>(conv.options.groups());
  step.relu = relu;
  return step;
}

/// Hands out the steps of a network one by one.
class Lowering {
 public:
  Lowering(bool release, const Await& await, const Take& take)
      : release_(release), await_(await), take_(take) {}

  // Its module holds it under its name too.
  static void release(at::Tensor& weight) { weight.set_data(at::empty({0})); }

  void convolution(const std::string& name, torch::nn::Conv2dImpl& conv, const torch::nn::BatchNorm2dImpl& bn,
                   Step::Register input, Step::Register output, bool relu) {
    if (release_ && await_) await_(name + ".weight");
    take(fold(name, conv, bn, release_, input, output, relu), conv);
  }

  void convolution_add(const std::string& name, torch::nn::Conv2dImpl& conv,
                       const torch::nn::BatchNorm2dImpl& bn) {
    if (release_ && await_) await_(name + ".weight");
    Step step = fold(name, conv, bn, release_, Step::inner, Step::block, true);
    step.kind = Step::Kind::convolution_add;
    take(step, conv);
  }

  void layer(const std::string& name, const torch::nn::Sequential& layer) {
    for (const auto& item : layer->named_children()) {
      const std::string block = name + "." + item.key() + ".";
      if (auto* basic = item.value()->as<BasicBlock>()) {
        convolution(block + "conv1", *basic->conv1, *basic->bn1, Step::block, Step::inner, true);
        downsample(block, basic->downsample);
        convolution_add(block + "conv2", *basic->conv2, *basic->bn2);
      } else if (auto* bottleneck = item.value()->as<Bottleneck>()) {
        convolution(block + "conv1", *bottleneck->conv1, *bottleneck->bn1, Step::block, Step::inner, true);
        convolution(block + "conv2", *bottleneck->conv2, *bottleneck->bn2, Step::inner, Step::inner, true);
        downsample(block, bottleneck->downsample);
        convolution_add(block + "conv3", *bottleneck->conv3, *bottleneck->bn3);
      }
    }
  }

 private:
  void take(const Step& step, torch::nn::Conv2dImpl& conv) {
    if (release_) release(conv.weight);
    take_(step);
  }

  void downsample(const std::string& block, torch::nn::Sequential& downsample) {
    if (!downsample) return;
    convolution(block + "downsample.0", *downsample[0]->as<torch::nn::Conv2d>(),
                *downsample[1]->as<BatchNorm2d>(), Step::block, Step::block, false);
  }

  const bool release_;
  const Await& await_;
  const Take& take_;
};

}  // namespace

void lower(const ResNet& network, bool release, const Await& await, const Take& take) {
  const at::NoGradGuard no_grad;
  Lowering lowering(release, await, take);
  lowering.convolution("conv1", *network->conv1, *network->bn1, Step::block, Step::block, true);
  Step pool;
  pool.kind = Step::Kind::max_pool;
  pool.name = "maxpool";
  take(pool);
  lowering.layer("layer1", network->layer1);
  lowering.layer("layer2", network->layer2);
  lowering.layer("layer3", network->layer3);
  lowering.layer("layer4", network->layer4);
  Step head;
  head.kind = Step::Kind::head;
  head.name = "fc";
  if (network->fc) {
    head.weight = network->fc->weight.detach().cpu().to(at::kFloat).contiguous();
    head.bias = network->fc->bias.detach().cpu().to(at::kFloat).contiguous();
    if (release) Lowering::release(network->fc->weight);
  }
  take(head);
}

std::vector<Step> lower(const ResNet& network) {
  std::vector<Step> steps;
  lower(network, false, {}, [&](const Step& step) { steps.push_back(step); });
  return steps;
}

}  // namespace resnet
