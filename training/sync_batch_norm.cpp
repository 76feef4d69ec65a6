#include "training/sync_batch_norm.h"

#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/resnet.h"

namespace resnet {
namespace {

/// Of all processes' pictures.
struct Statistics {
  at::Tensor mean, variance;  ///< [channels] fp32; the variance is the biased one
  double count = 0;           ///< numbers that each is of
};

at::Tensor zeros_of_channels(const at::Tensor& x) {
  return at::zeros(x.size(1), x.options().dtype(at::kFloat));
}

Statistics statistics_of_all(const at::Tensor& x, const ProcessGroup& group) {
  const std::int64_t channels = x.size(1);
  at::Tensor mean = zeros_of_channels(x), variance = zeros_of_channels(x);
  // The running statistics that it takes only say that the result is to be fp32.
  if (x.size(0) > 0)
    std::tie(mean, variance) = at::batch_norm_update_stats(x, zeros_of_channels(x), zeros_of_channels(x), 0);
  const at::Tensor own_count =
      at::full({1}, static_cast<double>(x.numel()) / static_cast<double>(channels), mean.options());
  const at::Tensor all = group.gather(at::cat({mean, variance, own_count})).to(at::kDouble);
  const at::Tensor means = all.narrow(1, 0, channels), variances = all.narrow(1, channels, channels);
  const at::Tensor counts = all.narrow(1, 2 * channels, 1);
  Statistics result;
  result.count = counts.sum().item<double>();
  const at::Tensor together = (means * counts).sum(0) / result.count;
  result.mean = together.to(at::kFloat);
  result.variance =
      (((variances + (means - together).square()) * counts).sum(0) / result.count).to(at::kFloat);
  return result;
}

void update_running(torch::nn::BatchNorm2dImpl& norm, const Statistics& statistics) {
  const torch::NoGradGuard no_grad;
  norm.num_batches_tracked.add_(1);
  const double momentum = norm.options.momentum().value_or(0.1);
  norm.running_mean.lerp_(statistics.mean, momentum);
  norm.running_var.lerp_(statistics.variance * (statistics.count / (statistics.count - 1)), momentum);
}

/// [1, channels, 1, 1]
at::Tensor by_channel(const at::Tensor& numbers) { return numbers.view({1, -1, 1, 1}); }

class Normalise : public torch::autograd::Function<Normalise> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, const Statistics& statistics,
                            double eps, const ProcessGroup* group) {
    context->save_for_backward({x, weight, statistics.mean, statistics.variance});
    context->saved_data["count"] = statistics.count;
    context->saved_data["eps"] = eps;
    context->saved_data["group"] = reinterpret_cast<std::int64_t>(group);
    if (x.size(0) == 0) return at::empty_like(x);
    return std::get<0>(at::native_batch_norm(x, weight, bias, statistics.mean, statistics.variance,
                                             /*training=*/false, 0, eps));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double eps = context->saved_data["eps"].toDouble();
    const double count = context->saved_data["count"].toDouble();
    const auto& group = *reinterpret_cast<const ProcessGroup*>(context->saved_data["group"].toInt());
    const at::Tensor gradient = gradients[0].contiguous(x.suggest_memory_format());
    at::Tensor of_x = at::zeros_like(x), of_weight = at::zeros_like(weight), of_bias = at::zeros_like(weight);
    // As if mean and variance were constants …
    if (x.size(0) > 0)
      std::tie(of_x, of_weight, of_bias) = at::native_batch_norm_backward(
          gradient, x, weight, mean, variance, {}, {}, /*train=*/false, eps, {true, true, true});
    const at::Tensor sums = at::cat({of_weight, of_bias});
    group.sum(sums);
    // … and what changes because every picture moves them.
    const at::Tensor inverse_std = (variance + eps).rsqrt();
    const at::Tensor scale = weight * inverse_std / count;
    const at::Tensor slope = scale * inverse_std * sums.narrow(0, 0, x.size(1));
    const at::Tensor shift = scale * sums.narrow(0, x.size(1), x.size(1)) - slope * mean;
    const at::Tensor moved = of_x - x * by_channel(slope) - by_channel(shift);
    return {moved.to(x.scalar_type()), of_weight, of_bias, {}, {}, {}};
  }
};

}  // namespace

void synchronise_batch_norms(const ResNet& network, const ProcessGroup& group) {
  for (BatchNorm2dImpl* norm : network->batch_norms()) {
    norm->train_forward = [&group](torch::nn::BatchNorm2dImpl& own, const at::Tensor& x) {
      const Statistics statistics = [&] {
        const torch::NoGradGuard no_grad;
        return statistics_of_all(x, group);
      }();
      update_running(own, statistics);
      return Normalise::apply(x, own.weight, own.bias, statistics, own.options.eps(), &group);
    };
  }
}

}  // namespace resnet
