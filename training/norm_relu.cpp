#include "training/norm_relu.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <tuple>
#include <vector>

#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/vectorise.h"

namespace resnet {
namespace {

/// The bits of a bf16 number.
using Bits = std::uint16_t;

float widen(Bits bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

// To the nearest, half to even.
Bits narrow(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<Bits>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

// Of a row of channels each: max(x · scale + shift + added, 0).
RESNET_VECTORISE void activate_rows(const Bits* __restrict x, const Bits* __restrict added,
                                    const float* __restrict scale, const float* __restrict shift,
                                    std::int64_t rows, std::int64_t channels, Bits* __restrict y) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels, y += channels) {
    if (added == nullptr) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const float value = widen(x[c]) * scale[c] + shift[c];
        y[c] = narrow(value < 0 ? 0.0F : value);  // NaN stays NaN
      }
    } else {
      for (std::int64_t c = 0; c < channels; ++c) {
        const float value = widen(x[c]) * scale[c] + shift[c] + widen(added[c]);
        y[c] = narrow(value < 0 ? 0.0F : value);
      }
      added += channels;
    }
  }
}

// What came through ReLU, summed over rows: itself, and times (x − mean).
RESNET_VECTORISE void sum_rows(const Bits* __restrict gradient, const Bits* __restrict y,
                               const Bits* __restrict x, const float* __restrict mean, std::int64_t rows,
                               std::int64_t channels, float* __restrict sum, float* __restrict product) {
  for (std::int64_t row = 0; row < rows; ++row, gradient += channels, y += channels, x += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float through = y[c] == 0 ? 0.0F : widen(gradient[c]);
      sum[c] += through;
      product[c] += through * (widen(x[c]) - mean[c]);
    }
  }
}

// The gradient of x: through · scale + x · slope + shift; and of what was added.
RESNET_VECTORISE void gradient_rows(const Bits* __restrict gradient, const Bits* __restrict y,
                                    const Bits* __restrict x, const float* __restrict scale,
                                    const float* __restrict slope, const float* __restrict shift,
                                    std::int64_t rows, std::int64_t channels, Bits* __restrict of_x,
                                    Bits* __restrict of_added) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float through = y[c] == 0 ? 0.0F : widen(gradient[c]);
      of_x[c] = narrow(through * scale[c] + widen(x[c]) * slope[c] + shift[c]);
    }
    if (of_added != nullptr) {
      for (std::int64_t c = 0; c < channels; ++c) of_added[c] = y[c] == 0 ? Bits{0} : gradient[c];
      of_added += channels;
    }
    gradient += channels;
    y += channels;
    x += channels;
    of_x += channels;
  }
}

const Bits* bits_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<const Bits*>(tensor.const_data_ptr()) : nullptr;
}
Bits* bits_to(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<Bits*>(tensor.mutable_data_ptr()) : nullptr;
}

/// As rows of channels.
at::Tensor in_rows(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

class NormRelu : public torch::autograd::Function<NormRelu> {
 public:
  /// @param added empty: nothing; autograd takes none that is undefined
  /// @param mean, inverse_std of x, [channels] fp32
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& added, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& mean, const at::Tensor& inverse_std) {
    const at::Tensor scale = (weight * inverse_std).contiguous(), shift = (bias - mean * scale).contiguous();
    const at::Tensor pixels = in_rows(x);
    const bool adds = added.numel() > 0;
    const at::Tensor summand = adds ? in_rows(added) : at::Tensor();
    const at::Tensor y = at::empty_like(pixels, at::MemoryFormat::ChannelsLast);
    const std::int64_t channels = x.size(1);
    activate_rows(bits_of(pixels), bits_of(summand), scale.const_data_ptr<float>(),
                  shift.const_data_ptr<float>(), x.numel() / channels, channels, bits_to(y));
    context->save_for_backward({pixels, y, weight, mean, inverse_std});
    context->saved_data["adds"] = adds;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &weight = saved[2], &mean = saved[3],
                     &inverse_std = saved[4];
    const at::Tensor gradient = in_rows(gradients[0]);
    const std::int64_t channels = x.size(1), rows = x.numel() / channels;
    const auto [sum, product] = sums_of(gradient, y, x, mean);
    const at::Tensor scale = (weight * inverse_std).contiguous();
    const auto count = static_cast<double>(rows);
    const at::Tensor slope = (-scale * inverse_std.square() * product / count).contiguous();
    const at::Tensor shift = (-scale * sum / count - slope * mean).contiguous();
    const at::Tensor of_x = at::empty_like(x, at::MemoryFormat::ChannelsLast);
    at::Tensor of_added;
    if (context->saved_data["adds"].toBool()) of_added = at::empty_like(x, at::MemoryFormat::ChannelsLast);
    gradient_rows(bits_of(gradient), bits_of(y), bits_of(x), scale.const_data_ptr<float>(),
                  slope.const_data_ptr<float>(), shift.const_data_ptr<float>(), rows, channels, bits_to(of_x),
                  bits_to(of_added));
    return {of_x, of_added, product * inverse_std, sum, {}, {}};
  }

 private:
  // In fp32 over some rows, these in double.
  static std::tuple<at::Tensor, at::Tensor> sums_of(const at::Tensor& gradient, const at::Tensor& y,
                                                    const at::Tensor& x, const at::Tensor& mean) {
    constexpr std::int64_t some = 256;
    const std::int64_t channels = x.size(1), rows = x.numel() / channels;
    const auto size = static_cast<std::size_t>(channels);
    std::vector<double> sum(size, 0), product(size, 0);
    std::vector<float> part(size), part_product(size);
    for (std::int64_t row = 0; row < rows; row += some) {
      std::fill(part.begin(), part.end(), 0.0F);
      std::fill(part_product.begin(), part_product.end(), 0.0F);
      const std::int64_t at = row * channels;
      sum_rows(bits_of(gradient) + at, bits_of(y) + at, bits_of(x) + at, mean.const_data_ptr<float>(),
               std::min(some, rows - row), channels, part.data(), part_product.data());
      for (std::size_t c = 0; c < size; ++c) {
        sum[c] += part[c];
        product[c] += part_product[c];
      }
    }
    const auto to_tensor = [&](const std::vector<double>& values) {
      at::Tensor tensor = at::empty_like(mean);
      std::transform(values.begin(), values.end(), tensor.mutable_data_ptr<float>(),
                     [](double value) { return static_cast<float>(value); });
      return tensor;
    };
    return {to_tensor(sum), to_tensor(product)};
  }
};

at::Tensor norm_relu(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x, const at::Tensor& added) {
  at::Tensor mean, inverse_std;
  {
    const torch::NoGradGuard no_grad;
    norm.num_batches_tracked.add_(1);
    std::tie(mean, inverse_std) = at::batch_norm_update_stats(x, norm.running_mean, norm.running_var,
                                                              norm.options.momentum().value_or(0.1));
    inverse_std = (inverse_std + norm.options.eps()).rsqrt();
  }
  const at::Tensor none = at::empty({0}, x.options());
  return NormRelu::apply(x, added.defined() ? added : none, norm.weight, norm.bias, mean, inverse_std);
}

bool fits(const at::Tensor& x, const at::Tensor& added) {
  const auto plain = [](const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kBFloat16 && tensor.is_cpu() && tensor.dim() == 4;
  };
  return plain(x) && x.numel() > x.size(1) && (!added.defined() || plain(added));
}

}  // namespace

void fuse_norms(const ResNet& network) {
  for (BatchNorm2dImpl* norm : network->batch_norms()) {
    norm->train_forward_relu = [](BatchNorm2dImpl& own, const at::Tensor& x, const at::Tensor& added) {
      return fits(x, added) ? norm_relu(own, x, added) : own.plain_forward_relu(x, added);
    };
  }
}

}  // namespace resnet
