#ifndef RESNET_MODEL_RESNET_H
#define RESNET_MODEL_RESNET_H

#include <functional>

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include "model/architecture.h"
#include "model/checkpoint.h"
#include "model/resnet_fwd.h"

namespace resnet {

/// torch::nn::Conv2d, of which training can say how it is computed.
class Conv2dImpl : public torch::nn::Conv2dImpl {
 public:
  using torch::nn::Conv2dImpl::Conv2dImpl;

  /// [N, in, H, W] → [N, out, H/stride, W/stride]. Modules call it by this class, never by its base.
  // NOLINTNEXTLINE(bugprone-derived-method-shadowing-base-method)
  torch::Tensor forward(const torch::Tensor& x) {
    return is_training() && train_forward ? train_forward(*this, x) : torch::nn::Conv2dImpl::forward(x);
  }

  std::function<torch::Tensor(torch::nn::Conv2dImpl& conv, const torch::Tensor& x)> train_forward;
};
TORCH_MODULE(Conv2d);

/// torch::nn::BatchNorm2d, of which training can say how the statistics of a batch are found, and how what
/// follows is done with it.
class BatchNorm2dImpl : public torch::nn::BatchNorm2dImpl {
 public:
  using torch::nn::BatchNorm2dImpl::BatchNorm2dImpl;

  /// [N, channels, H, W] → the same, normalised. Modules call it by this class, never by its base.
  // NOLINTNEXTLINE(bugprone-derived-method-shadowing-base-method)
  torch::Tensor forward(const torch::Tensor& x) {
    return is_training() && train_forward ? train_forward(*this, x) : torch::nn::BatchNorm2dImpl::forward(x);
  }

  /// relu(forward(x) + added).
  /// @param added of the same shape; undefined: nothing
  torch::Tensor forward_relu(const torch::Tensor& x, const torch::Tensor& added = {}) {
    return is_training() && train_forward_relu ? train_forward_relu(*this, x, added)
                                               : plain_forward_relu(x, added);
  }
  /// The same, step by step.
  torch::Tensor plain_forward_relu(const torch::Tensor& x, const torch::Tensor& added) {
    torch::Tensor out = forward(x);
    if (added.defined()) out += added;
    return out.relu_();
  }

  /// 3×3 max pooling with stride 2 and padding 1 of forward_relu(x).
  torch::Tensor forward_relu_pool(const torch::Tensor& x) {
    return is_training() && train_forward_relu_pool ? train_forward_relu_pool(*this, x)
                                                    : plain_forward_relu_pool(x);
  }
  torch::Tensor plain_forward_relu_pool(const torch::Tensor& x);

  std::function<torch::Tensor(torch::nn::BatchNorm2dImpl& norm, const torch::Tensor& x)> train_forward;
  std::function<torch::Tensor(BatchNorm2dImpl& norm, const torch::Tensor& x, const torch::Tensor& added)>
      train_forward_relu;
  std::function<torch::Tensor(BatchNorm2dImpl& norm, const torch::Tensor& x)> train_forward_relu_pool;
};
TORCH_MODULE(BatchNorm2d);

/// Two 3×3 convolutions beside an identity (He et al. 2015, arXiv:1512.03385, figure 5 left).
class BasicBlockImpl : public torch::nn::Module {
 public:
  BasicBlockImpl(int in_channels, int channels, int stride, torch::nn::Sequential downsample,
                 InitialWeights weights);
  /// [N, in_channels, H, W] → [N, channels, H/stride, W/stride]
  torch::Tensor forward(const torch::Tensor& x);

  Conv2d conv1{nullptr}, conv2{nullptr};
  BatchNorm2d bn1{nullptr}, bn2{nullptr};
  torch::nn::Sequential downsample{nullptr};  ///< 1×1 convolution and batch norm; null: identity
};
TORCH_MODULE(BasicBlock);

/// 1×1, 3×3, 1×1 convolutions beside an identity; the stride is on the 3×3 as in torchvision
/// ("ResNet V1.5"); with groups this is ResNeXt (arXiv:1611.05431).
class BottleneckImpl : public torch::nn::Module {
 public:
  /// @param inner_channels of the 3×3 convolution (Architecture::inner_channels)
  BottleneckImpl(int in_channels, int channels, int inner_channels, int stride, int groups,
                 torch::nn::Sequential downsample, InitialWeights weights);
  /// [N, in_channels, H, W] → [N, 4·channels, H/stride, W/stride]
  torch::Tensor forward(const torch::Tensor& x);

  Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr};
  BatchNorm2d bn1{nullptr}, bn2{nullptr}, bn3{nullptr};
  torch::nn::Sequential downsample{nullptr};
};
TORCH_MODULE(Bottleneck);

/// torchvision's ResNet with its parameter names, from 7×7/2 stem to linear head.
class ResNetImpl : public torch::nn::Module {
 public:
  /// As make_resnet.
  ResNetImpl(const Architecture& architecture, int num_classes, InitialWeights weights);

  /// [N, 3, H, W] normalised pixels → logits [N, num_classes], or features [N, architecture.features()].
  torch::Tensor forward(const torch::Tensor& x);
  /// [N, 3, H, W] → pooled features [N, architecture.features()]
  torch::Tensor forward_features(const torch::Tensor& x);

  /// Puts a new, randomly initialised head of that many classes in place of the present one.
  void replace_head(int num_classes);

  /// Parameters and buffers under torchvision's names and in its order (views, not copies).
  NamedTensors state_dict() const;

  /// The stem's and those of all blocks, in order.
  std::vector<BatchNorm2dImpl*> batch_norms() const;

  const Architecture& architecture() const { return architecture_; }
  int num_classes() const { return num_classes_; }

  Conv2d conv1{nullptr};
  BatchNorm2d bn1{nullptr};
  torch::nn::Sequential layer1{nullptr}, layer2{nullptr}, layer3{nullptr}, layer4{nullptr};
  torch::nn::Linear fc{nullptr};

 private:
  torch::nn::Sequential make_layer(int& in_channels, int stage, InitialWeights weights);

  Architecture architecture_;
  int num_classes_;
};

}  // namespace resnet

#endif
