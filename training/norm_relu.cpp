#include "training/norm_relu.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/resnet.h"
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

// Of a row of channels each: max(x · scale + shift + added, least).
RESNET_VECTORISE void activate_rows(const Bits* __restrict x, const Bits* __restrict added,
                                    const float* __restrict scale, const float* __restrict shift, float least,
                                    std::int64_t rows, std::int64_t channels, Bits* __restrict y) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels, y += channels) {
    if (added == nullptr) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const float value = widen(x[c]) * scale[c] + shift[c];
        y[c] = narrow(value < least ? least : value);  // NaN stays NaN
      }
    } else {
      for (std::int64_t c = 0; c < channels; ++c) {
        const float value = widen(x[c]) * scale[c] + shift[c] + widen(added[c]);
        y[c] = narrow(value < least ? least : value);
      }
      added += channels;
    }
  }
}

// Summed over rows: the distance of x from a number near its mean, and its square.
RESNET_VECTORISE void sum_distances(const Bits* __restrict x, const float* __restrict near, std::int64_t rows,
                                    std::int64_t channels, float* __restrict sum, float* __restrict square) {
  for (std::int64_t row = 0; row < rows; ++row, x += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float distance = widen(x[c]) - near[c];
      sum[c] += distance;
      square[c] += distance * distance;
    }
  }
}

// What came through ReLU (y null: all), summed over rows: itself, and times (x − mean).
RESNET_VECTORISE void sum_rows(const Bits* __restrict gradient, const Bits* __restrict y,
                               const Bits* __restrict x, const float* __restrict mean, std::int64_t rows,
                               std::int64_t channels, float* __restrict sum, float* __restrict product) {
  for (std::int64_t row = 0; row < rows; ++row, gradient += channels, x += channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const float through = y != nullptr && y[c] == 0 ? 0.0F : widen(gradient[c]);
      sum[c] += through;
      product[c] += through * (widen(x[c]) - mean[c]);
    }
    if (y != nullptr) y += channels;
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
      const float through = y != nullptr && y[c] == 0 ? 0.0F : widen(gradient[c]);
      of_x[c] = narrow(through * scale[c] + widen(x[c]) * slope[c] + shift[c]);
    }
    if (of_added != nullptr) {
      for (std::int64_t c = 0; c < channels; ++c) of_added[c] = y[c] == 0 ? Bits{0} : gradient[c];
      of_added += channels;
    }
    gradient += channels;
    if (y != nullptr) y += channels;
    x += channels;
    of_x += channels;
  }
}

// bf16 numbers as integers in the same order, or with `flip` its sign bit in the opposite one.
std::int32_t to_ordered(Bits bits, std::int32_t flip) {
  const std::int32_t value = static_cast<std::int16_t>(bits ^ flip);
  return value < 0 ? value ^ 0x7FFF : value;
}
Bits from_ordered(std::int32_t ordered, std::int32_t flip) {
  return static_cast<Bits>((ordered < 0 ? ordered ^ 0x7FFF : ordered) ^ flip);
}

constexpr std::int32_t most_taps = 15;  // of a window

// Of a row of channels the best yet: x in its order, and which tap it is of; the first of equals.
RESNET_VECTORISE void take_best(const Bits* __restrict x, std::int32_t tap,
                                const std::int32_t* __restrict flip, std::int64_t channels,
                                std::int32_t* __restrict best) {
  for (std::int64_t c = 0; c < channels; ++c)
    best[c] = std::max(best[c], to_ordered(x[c], flip[c]) * 16 + (most_taps - tap));
}

// What take_best() has found: x, its tap (none where ReLU lets nothing through) and what becomes of it.
RESNET_VECTORISE void activate_best(const std::int32_t* __restrict best, const std::int32_t* __restrict flip,
                                    const float* __restrict scale, const float* __restrict shift,
                                    std::int64_t channels, Bits* __restrict x, Bits* __restrict tap,
                                    Bits* __restrict y) {
  for (std::int64_t c = 0; c < channels; ++c) {
    x[c] = from_ordered(best[c] >> 4, flip[c]);
    const float value = widen(x[c]) * scale[c] + shift[c];
    y[c] = narrow(value < 0 ? 0.0F : value);
    tap[c] = static_cast<Bits>(y[c] == 0 ? most_taps : most_taps - (best[c] & 15));
  }
}

// What a window hands back to one of its taps.
RESNET_VECTORISE void add_if_best(const Bits* __restrict gradient, const Bits* __restrict best, Bits tap,
                                  std::int64_t channels, float* __restrict through) {
  for (std::int64_t c = 0; c < channels; ++c) through[c] += best[c] == tap ? widen(gradient[c]) : 0.0F;
}

// The gradient of x, of a row of channels.
RESNET_VECTORISE void gradient_row(const float* __restrict through, const Bits* __restrict x,
                                   const float* __restrict scale, const float* __restrict slope,
                                   const float* __restrict shift, std::int64_t channels,
                                   Bits* __restrict of_x) {
  for (std::int64_t c = 0; c < channels; ++c)
    of_x[c] = narrow(through[c] * scale[c] + widen(x[c]) * slope[c] + shift[c]);
}

/// Pictures and places as rows of channels, in the order in which they lie in memory.
struct Rows {
  std::int64_t count, channels;

  explicit Rows(const at::Tensor& x) : count(x.numel() / x.size(1)), channels(x.size(1)) {}
  std::size_t size() const { return static_cast<std::size_t>(channels); }
};

const Bits* bits_of(const at::Tensor& tensor, std::int64_t at = 0) {
  return tensor.defined() ? static_cast<const Bits*>(tensor.const_data_ptr()) + at : nullptr;
}
Bits* bits_to(const at::Tensor& tensor, std::int64_t at = 0) {
  return tensor.defined() ? static_cast<Bits*>(tensor.mutable_data_ptr()) + at : nullptr;
}

/// As rows of channels: [N, H, W, C] in memory, or [H, W, N, C] as convolutions by tiles leave it.
at::Tensor in_rows(const at::Tensor& x) {
  return x.permute({2, 3, 0, 1}).is_contiguous() ? x : x.contiguous(at::MemoryFormat::ChannelsLast);
}
/// As rows in the same order.
at::Tensor in_rows_of(const at::Tensor& x, const at::Tensor& rows) {
  return x.strides() == rows.strides() ? x : at::empty_like(rows).copy_(x);
}

/// Sums over rows of two numbers a channel, by threads. They do not depend on how many there are.
/// @param add adds those of `count` rows from `row` on, in fp32
template <typename Add>
std::array<std::vector<double>, 2> sums_of(const Rows& rows, const Add& add) {
  constexpr std::int64_t slices = 16, some = 256;  // in fp32 over some rows, these in double
  std::array<std::vector<double>, slices> first, second;
  at::parallel_for(0, slices, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> part(rows.size()), second_part(rows.size());
    for (std::int64_t slice = begin; slice < end; ++slice) {
      auto &sum = first[static_cast<std::size_t>(slice)], &other = second[static_cast<std::size_t>(slice)];
      sum.assign(rows.size(), 0);
      other.assign(rows.size(), 0);
      const std::int64_t last = rows.count * (slice + 1) / slices;
      for (std::int64_t row = rows.count * slice / slices; row < last; row += some) {
        std::fill(part.begin(), part.end(), 0.0F);
        std::fill(second_part.begin(), second_part.end(), 0.0F);
        add(row, std::min(some, last - row), part.data(), second_part.data());
        for (std::size_t c = 0; c < rows.size(); ++c) {
          sum[c] += part[c];
          other[c] += second_part[c];
        }
      }
    }
  });
  for (std::size_t slice = 1; slice < slices; ++slice) {
    for (std::size_t c = 0; c < rows.size(); ++c) {
      first[0][c] += first[slice][c];
      second[0][c] += second[slice][c];
    }
  }
  return {std::move(first[0]), std::move(second[0])};
}

/// Calls work(row, count) for parts of the rows, by threads.
template <typename Work>
void for_rows(const Rows& rows, const Work& work) {
  constexpr std::int64_t least = 1 << 15;  // numbers that are worth a thread
  at::parallel_for(0, rows.count, std::max<std::int64_t>(1, least / rows.channels),
                   [&](std::int64_t begin, std::int64_t end) { work(begin, end - begin); });
}

/// By channel.
struct Moments {
  at::Tensor mean, inverse_std;  ///< fp32
};

/// Those of a batch, which are also taken into the running ones.
Moments take_moments(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x) {
  const Rows rows(x);
  std::vector<float> near(rows.size());
  std::transform(bits_of(x), bits_of(x) + rows.channels, near.begin(), widen);
  const auto sums = sums_of(rows, [&](std::int64_t row, std::int64_t count, float* sum, float* square) {
    sum_distances(bits_of(x, row * rows.channels), near.data(), count, rows.channels, sum, square);
  });
  Moments moments{at::empty_like(norm.running_mean), at::empty_like(norm.running_mean)};
  auto *mean = moments.mean.mutable_data_ptr<float>(),
       *inverse_std = moments.inverse_std.mutable_data_ptr<float>();
  auto *running_mean = norm.running_mean.mutable_data_ptr<float>(),
       *running_var = norm.running_var.mutable_data_ptr<float>();
  const double momentum = norm.options.momentum().value_or(0.1), eps = norm.options.eps();
  const auto n = static_cast<double>(rows.count);
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const double distance = sums[0][c] / n, own_mean = near[c] + distance;
    const double var = std::max(0.0, sums[1][c] / n - distance * distance);
    mean[c] = static_cast<float>(own_mean);
    inverse_std[c] = static_cast<float>(1 / std::sqrt(var + eps));
    running_mean[c] = static_cast<float>(momentum * own_mean + (1 - momentum) * running_mean[c]);
    running_var[c] = static_cast<float>(momentum * var * n / (n - 1) + (1 - momentum) * running_var[c]);
  }
  norm.num_batches_tracked.add_(1);
  return moments;
}

at::Tensor to_tensor(const std::vector<double>& values, const at::Tensor& like) {
  at::Tensor tensor = at::empty_like(like);
  std::transform(values.begin(), values.end(), tensor.mutable_data_ptr<float>(),
                 [](double value) { return static_cast<float>(value); });
  return tensor;
}

/// From what went through to the gradient of x, by channel: through · scale + x · slope + shift.
struct Line {
  at::Tensor scale, slope, shift;

  /// @param sum, product of what went through over `count` rows: itself, and times (x − mean)
  Line(const at::Tensor& weight, const Moments& moments, const at::Tensor& sum, const at::Tensor& product,
       std::int64_t count)
      : scale((weight * moments.inverse_std).contiguous()) {
    const auto n = static_cast<double>(count);
    slope = (-scale * moments.inverse_std.square() * product / n).contiguous();
    shift = (-scale * sum / n - slope * moments.mean).contiguous();
  }
};

class Norm : public torch::autograd::Function<Norm> {
 public:
  /// @param added empty: nothing; autograd takes none that is undefined
  /// @param mean, inverse_std of x, [channels] fp32
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& added, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& mean, const at::Tensor& inverse_std, bool relu) {
    const at::Tensor scale = (weight * inverse_std).contiguous(), shift = (bias - mean * scale).contiguous();
    const bool adds = added.numel() > 0;
    const at::Tensor summand = adds ? in_rows_of(added, x) : at::Tensor();
    const at::Tensor y = at::empty_like(x);
    const Rows rows(x);
    for_rows(rows, [&](std::int64_t row, std::int64_t count) {
      const std::int64_t at = row * rows.channels;
      activate_rows(bits_of(x, at), bits_of(summand, at), scale.const_data_ptr<float>(),
                    shift.const_data_ptr<float>(), relu ? 0.0F : -std::numeric_limits<float>::infinity(),
                    count, rows.channels, bits_to(y, at));
    });
    context->save_for_backward({x, relu ? y : at::Tensor(), weight, mean, inverse_std});
    context->saved_data["adds"] = adds;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &weight = saved[2], &mean = saved[3],
                     &inverse_std = saved[4];
    const at::Tensor gradient = in_rows_of(gradients[0], x);
    const Rows rows(x);
    const auto sums = sums_of(rows, [&](std::int64_t row, std::int64_t count, float* sum, float* product) {
      const std::int64_t at = row * rows.channels;
      sum_rows(bits_of(gradient, at), bits_of(y, at), bits_of(x, at), mean.const_data_ptr<float>(), count,
               rows.channels, sum, product);
    });
    const at::Tensor sum = to_tensor(sums[0], mean), product = to_tensor(sums[1], mean);
    const Line line(weight, {mean, inverse_std}, sum, product, rows.count);
    const at::Tensor of_x = at::empty_like(x);
    at::Tensor of_added;
    if (context->saved_data["adds"].toBool()) of_added = at::empty_like(x);
    for_rows(rows, [&](std::int64_t row, std::int64_t some) {
      const std::int64_t at = row * rows.channels;
      gradient_rows(bits_of(gradient, at), bits_of(y, at), bits_of(x, at), line.scale.const_data_ptr<float>(),
                    line.slope.const_data_ptr<float>(), line.shift.const_data_ptr<float>(), some,
                    rows.channels, bits_to(of_x, at), bits_to(of_added, at));
    });
    return {of_x, of_added, product * inverse_std, sum, {}, {}, {}};
  }
};

/// Where a channel row of a picture's place lies.
struct Places {
  std::int64_t picture, row, column;

  explicit Places(const at::Tensor& x) : picture(x.stride(0)), row(x.stride(2)), column(x.stride(3)) {}
  std::int64_t at(std::int64_t n, std::int64_t y, std::int64_t x) const {
    return n * picture + y * row + x * column;
  }
};

/// 3×3 windows with stride 2 and padding 1, in one dimension.
struct Windows {
  static std::int64_t count(std::int64_t inputs) { return (inputs - 1) / 2 + 1; }
  /// The inputs of a window: use(input, tap).
  template <typename Use>
  static void inputs_of(std::int64_t window, std::int64_t inputs, const Use& use) {
    for (std::int64_t tap = 0; tap < 3; ++tap) {
      const std::int64_t input = 2 * window + tap - 1;
      if (input >= 0 && input < inputs) use(input, tap);
    }
  }
  /// The windows of an input: use(window, tap).
  template <typename Use>
  static void windows_of(std::int64_t input, std::int64_t inputs, const Use& use) {
    for (std::int64_t window = input / 2; window <= (input + 1) / 2; ++window) {
      if (window < count(inputs)) use(window, input - 2 * window + 1);
    }
  }
};

class NormPool : public torch::autograd::Function<NormPool> {
 public:
  /// @param mean, inverse_std of x, [channels] fp32
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& mean,
                            const at::Tensor& inverse_std, bool places_first) {
    const at::Tensor scale = (weight * inverse_std).contiguous(), shift = (bias - mean * scale).contiguous();
    const std::int64_t height = x.size(2), width = x.size(3), channels = x.size(1);
    at::Tensor y = at::empty({x.size(0), channels, Windows::count(height), Windows::count(width)},
                             x.options(), at::MemoryFormat::ChannelsLast);
    if (places_first)
      y = at::empty({y.size(2), y.size(3), y.size(0), channels}, x.options()).permute({2, 3, 0, 1});
    const at::Tensor chosen = at::empty_like(y), taps = at::empty_like(y);
    std::vector<std::int32_t> flip;
    for (std::int64_t c = 0; c < channels; ++c)
      flip.push_back(scale.const_data_ptr<float>()[c] < 0 ? 0x8000 : 0);
    const Places from(x), to(y);
    const Bits* inputs = bits_of(x);
    Bits *outputs = bits_to(y), *chosen_bits = bits_to(chosen), *tap_bits = bits_to(taps);
    const auto *scales = scale.const_data_ptr<float>(), *shifts = shift.const_data_ptr<float>();
    const std::int64_t pooled_height = y.size(2), pooled_width = y.size(3);
    at::parallel_for(0, x.size(0) * pooled_height, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<std::int32_t> best(flip.size());
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t n = i / pooled_height, row = i % pooled_height;
        for (std::int64_t column = 0; column < pooled_width; ++column) {
          std::fill(best.begin(), best.end(), std::numeric_limits<std::int32_t>::min());
          Windows::inputs_of(row, height, [&](std::int64_t input_row, std::int64_t tap_row) {
            Windows::inputs_of(column, width, [&](std::int64_t input_column, std::int64_t tap_column) {
              take_best(inputs + from.at(n, input_row, input_column),
                        static_cast<std::int32_t>(3 * tap_row + tap_column), flip.data(), channels,
                        best.data());
            });
          });
          const std::int64_t place = to.at(n, row, column);
          activate_best(best.data(), flip.data(), scales, shifts, channels, chosen_bits + place,
                        tap_bits + place, outputs + place);
        }
      }
    });
    context->save_for_backward({x, y, chosen, taps, weight, mean, inverse_std});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &chosen = saved[2], &taps = saved[3], &weight = saved[4],
                     &mean = saved[5], &inverse_std = saved[6];
    const at::Tensor gradient = in_rows_of(gradients[0], y);
    const Rows pooled(y);
    const auto sums = sums_of(pooled, [&](std::int64_t row, std::int64_t count, float* sum, float* product) {
      const std::int64_t at = row * pooled.channels;
      sum_rows(bits_of(gradient, at), bits_of(y, at), bits_of(chosen, at), mean.const_data_ptr<float>(),
               count, pooled.channels, sum, product);
    });
    const at::Tensor sum = to_tensor(sums[0], mean), product = to_tensor(sums[1], mean);
    const Line line(weight, {mean, inverse_std}, sum, product, Rows(x).count);
    const at::Tensor of_x = at::empty_like(x);
    hand_back(gradient, taps, x, line, of_x);
    return {of_x, product * inverse_std, sum, {}, {}, {}};
  }

 private:
  static void hand_back(const at::Tensor& gradient, const at::Tensor& taps, const at::Tensor& x,
                        const Line& line, const at::Tensor& of_x) {
    const std::int64_t height = x.size(2), width = x.size(3), channels = x.size(1);
    const Places from(gradient), to(x);
    const Bits *gradients = bits_of(gradient), *tap_bits = bits_of(taps), *inputs = bits_of(x);
    const auto *scales = line.scale.const_data_ptr<float>(), *slopes = line.slope.const_data_ptr<float>(),
               *shifts = line.shift.const_data_ptr<float>();
    Bits* to_bits = bits_to(of_x);
    at::parallel_for(0, x.size(0) * height, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> through(Rows(x).size());
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t n = i / height, row = i % height;
        for (std::int64_t column = 0; column < width; ++column) {
          std::fill(through.begin(), through.end(), 0.0F);
          Windows::windows_of(row, height, [&](std::int64_t window_row, std::int64_t tap_row) {
            Windows::windows_of(column, width, [&](std::int64_t window_column, std::int64_t tap_column) {
              const std::int64_t place = from.at(n, window_row, window_column);
              add_if_best(gradients + place, tap_bits + place, static_cast<Bits>(3 * tap_row + tap_column),
                          channels, through.data());
            });
          });
          const std::int64_t place = to.at(n, row, column);
          gradient_row(through.data(), inputs + place, scales, slopes, shifts, channels, to_bits + place);
        }
      }
    });
  }
};

at::Tensor normalise(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x, const at::Tensor& added,
                     bool relu) {
  const at::Tensor rows = in_rows(x);
  const Moments moments = take_moments(norm, rows.detach());
  const at::Tensor none = at::empty({0}, x.options());
  return Norm::apply(rows, added.defined() ? added : none, norm.weight, norm.bias, moments.mean,
                     moments.inverse_std, relu);
}

at::Tensor normalise_and_pool(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x, bool places_first) {
  const at::Tensor rows = in_rows(x);
  const Moments moments = take_moments(norm, rows.detach());
  return NormPool::apply(rows, norm.weight, norm.bias, moments.mean, moments.inverse_std, places_first);
}

bool fits(const at::Tensor& x, const at::Tensor& added) {
  const auto plain = [](const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kBFloat16 && tensor.is_cpu() && tensor.dim() == 4;
  };
  return plain(x) && x.numel() > x.size(1) && (!added.defined() || plain(added));
}

}  // namespace

void fuse_norms(const ResNet& network, bool places_first) {
  for (BatchNorm2dImpl* norm : network->batch_norms()) {
    norm->train_forward = [](torch::nn::BatchNorm2dImpl& own, const at::Tensor& x) {
      return fits(x, {}) ? normalise(own, x, {}, false) : own.forward(x);
    };
    norm->train_forward_relu = [](BatchNorm2dImpl& own, const at::Tensor& x, const at::Tensor& added) {
      return fits(x, added) ? normalise(own, x, added, true) : own.plain_forward_relu(x, added);
    };
    norm->train_forward_relu_pool = [places_first](BatchNorm2dImpl& own, const at::Tensor& x) {
      return fits(x, {}) ? normalise_and_pool(own, x, places_first) : own.plain_forward_relu_pool(x);
    };
  }
}

}  // namespace resnet
