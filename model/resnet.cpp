#include "model/resnet.h"

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <torch/nn/init.h>

namespace resnet {
namespace {

Conv2d convolution(int in, int out, int kernel, int stride, int groups, InitialWeights weights) {
  const auto describe = [&](torch::nn::Conv2dOptions options) {
    return options.stride(stride).padding(kernel / 2).groups(groups).bias(false);
  };
  if (weights == InitialWeights::random) return Conv2d(describe({in, out, kernel}));
  // LibTorch's constructor would fill them with random numbers.
  Conv2d conv(torch::nn::Conv2dOptions(1, 1, 1).bias(false));
  conv->options.in_channels(in).out_channels(out).kernel_size(kernel);
  conv->options.stride(stride).padding(torch::ExpandingArray<2>(kernel / 2)).groups(groups);
  conv->weight.set_data(at::empty({out, in / groups, kernel, kernel}));
  return conv;
}

torch::nn::Linear linear(int in, int out, InitialWeights weights) {
  if (weights == InitialWeights::random) return torch::nn::Linear(in, out);
  torch::nn::Linear head(1, 1);
  head->options.in_features(in).out_features(out);
  head->weight.set_data(at::empty({out, in}));
  head->bias.set_data(at::empty({out}));
  return head;
}

torch::nn::Sequential make_downsample(int in, int out, int stride, InitialWeights weights) {
  return torch::nn::Sequential(convolution(in, out, 1, stride, 1, weights), BatchNorm2d(out));
}

void initialise(torch::nn::Module& network) {
  for (const auto& module : network.modules(/*include_self=*/false)) {
    if (auto* conv = module->as<torch::nn::Conv2d>()) {
      torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
    }
  }
}

/// Parameters, then buffers, of every module in the order of registration: what Python's state_dict() does.
void append_state(const torch::nn::Module& module, const std::string& prefix, NamedTensors& state) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    state.emplace_back(prefix + item.key(), item.value().detach());
  }
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    state.emplace_back(prefix + item.key(), item.value().detach());
  }
  for (const auto& child : module.named_children()) {
    append_state(*child.value(), prefix + child.key() + ".", state);
  }
}

}  // namespace

torch::Tensor BatchNorm2dImpl::plain_forward_relu_pool(const torch::Tensor& x) {
  return at::max_pool2d(forward_relu(x), 3, 2, 1);
}

BasicBlockImpl::BasicBlockImpl(int in_channels, int channels, int stride, torch::nn::Sequential shortcut,
                               InitialWeights weights) {
  conv1 = register_module("conv1", convolution(in_channels, channels, 3, stride, 1, weights));
  bn1 = register_module("bn1", BatchNorm2d(channels));
  conv2 = register_module("conv2", convolution(channels, channels, 3, 1, 1, weights));
  bn2 = register_module("bn2", BatchNorm2d(channels));
  if (shortcut) downsample = register_module("downsample", std::move(shortcut));
}

torch::Tensor BasicBlockImpl::forward(const torch::Tensor& x) {
  const torch::Tensor out = bn1->forward_relu(conv1(x));
  return bn2->forward_relu(conv2(out), downsample ? downsample->forward(x) : x);
}

BottleneckImpl::BottleneckImpl(int in_channels, int channels, int inner_channels, int stride, int groups,
                               torch::nn::Sequential shortcut, InitialWeights weights) {
  const int out_channels = channels * 4;
  conv1 = register_module("conv1", convolution(in_channels, inner_channels, 1, 1, 1, weights));
  bn1 = register_module("bn1", BatchNorm2d(inner_channels));
  conv2 = register_module("conv2", convolution(inner_channels, inner_channels, 3, stride, groups, weights));
  bn2 = register_module("bn2", BatchNorm2d(inner_channels));
  conv3 = register_module("conv3", convolution(inner_channels, out_channels, 1, 1, 1, weights));
  bn3 = register_module("bn3", BatchNorm2d(out_channels));
  if (shortcut) downsample = register_module("downsample", std::move(shortcut));
}

torch::Tensor BottleneckImpl::forward(const torch::Tensor& x) {
  torch::Tensor out = bn1->forward_relu(conv1(x));
  out = bn2->forward_relu(conv2(out));
  return bn3->forward_relu(conv3(out), downsample ? downsample->forward(x) : x);
}

ResNetImpl::ResNetImpl(const Architecture& architecture, int num_classes, InitialWeights weights)
    : architecture_(architecture), num_classes_(num_classes) {
  // Modules are made and initialised in torchvision's order, so that one seed gives both the same weights.
  const int width = architecture.width;
  conv1 = register_module("conv1", convolution(3, width, 7, 2, 1, weights));
  bn1 = register_module("bn1", BatchNorm2d(width));
  int channels = width;
  layer1 = register_module("layer1", make_layer(channels, 0, weights));
  layer2 = register_module("layer2", make_layer(channels, 1, weights));
  layer3 = register_module("layer3", make_layer(channels, 2, weights));
  layer4 = register_module("layer4", make_layer(channels, 3, weights));
  if (num_classes > 0) fc = register_module("fc", linear(architecture.features(), num_classes, weights));
  if (weights == InitialWeights::random) initialise(*this);
}

ResNet make_resnet(const Architecture& architecture, int num_classes, InitialWeights weights) {
  return std::make_shared<ResNetImpl>(architecture, num_classes, weights);
}

torch::nn::Sequential ResNetImpl::make_layer(int& in_channels, int stage, InitialWeights weights) {
  const int channels = architecture_.channels(stage);
  const int out_channels = channels * architecture_.expansion();
  torch::nn::Sequential layer;
  for (int i = 0; i < architecture_.layers[static_cast<std::size_t>(stage)]; ++i) {
    const int stride = i == 0 && stage > 0 ? 2 : 1;
    torch::nn::Sequential downsample{nullptr};
    if (stride != 1 || in_channels != out_channels) {
      downsample = make_downsample(in_channels, out_channels, stride, weights);
    }
    if (architecture_.block == BlockType::basic) {
      layer->push_back(BasicBlock(in_channels, channels, stride, downsample, weights));
    } else {
      layer->push_back(Bottleneck(in_channels, channels, architecture_.inner_channels(stage), stride,
                                  architecture_.groups, downsample, weights));
    }
    in_channels = out_channels;
  }
  return layer;
}

torch::Tensor ResNetImpl::forward_features(const torch::Tensor& x) {
  torch::Tensor out = layer1->forward(bn1->forward_relu_pool(conv1(x)));
  out = layer2->forward(out);
  out = layer3->forward(out);
  out = layer4->forward(out);
  return at::adaptive_avg_pool2d(out, {1, 1}).flatten(1);
}

torch::Tensor ResNetImpl::forward(const torch::Tensor& x) {
  const torch::Tensor features = forward_features(x);
  return fc ? fc(features) : features;
}

void ResNetImpl::replace_head(int num_classes) {
  if (fc) unregister_module("fc");
  fc = nullptr;
  num_classes_ = num_classes;
  if (num_classes == 0) return;
  fc = register_module("fc", torch::nn::Linear(architecture_.features(), num_classes));
  fc->to(conv1->weight.device(), conv1->weight.scalar_type());
  fc->train(is_training());
}

std::vector<BatchNorm2dImpl*> ResNetImpl::batch_norms() const {
  std::vector<BatchNorm2dImpl*> norms;
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* norm = module->as<BatchNorm2d>()) norms.push_back(norm);
  }
  return norms;
}

NamedTensors ResNetImpl::state_dict() const {
  NamedTensors state;
  append_state(*this, "", state);
  return state;
}

}  // namespace resnet
