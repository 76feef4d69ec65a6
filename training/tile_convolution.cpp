#include "training/tile_convolution.h"

#include <algorithm>
#include <array>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/cpu/kernels.h"
#include "model/resnet.h"
#include "training/tile_kernels.h"

namespace resnet {
namespace {

using tiles::Bits;
using tiles::Factors;
using tiles::panel;

constexpr std::size_t most_taps = 9;  // 3×3

std::size_t to_index(std::int64_t value) { return static_cast<std::size_t>(value); }

const Bits* bits_of(const at::Tensor& tensor) { return static_cast<const Bits*>(tensor.const_data_ptr()); }
Bits* bits_to(const at::Tensor& tensor) { return static_cast<Bits*>(tensor.mutable_data_ptr()); }

/// A batch of feature maps as [H, W, N, C].
struct Maps {
  std::int64_t height, width, pictures, channels;

  explicit Maps(const at::Tensor& x)
      : height(x.size(2)), width(x.size(3)), pictures(x.size(0)), channels(x.size(1)) {}
  std::int64_t row() const { return width * position(); }
  std::int64_t position() const { return pictures * channels; }
};

at::Tensor in_maps(const at::Tensor& x) { return x.permute({2, 3, 0, 1}).contiguous().permute({2, 3, 0, 1}); }

at::Tensor new_maps(std::int64_t pictures, std::int64_t channels, std::int64_t height, std::int64_t width,
                    const at::Tensor& like) {
  return at::empty({height, width, pictures, channels}, like.options()).permute({2, 3, 0, 1});
}

/// A weight in one dimension, and the place that it is multiplied with.
struct Tap {
  std::int64_t weight, place;
};
/// By place of the result.
using Taps = std::vector<std::vector<Tap>>;

/// In one dimension, with padding k/2: what outputs are made of, and what becomes of inputs.
struct Window {
  std::int64_t size, stride;

  std::int64_t outputs(std::int64_t inputs) const { return (inputs + size / 2 * 2 - size) / stride + 1; }
  Taps of_outputs(std::int64_t inputs) const {
    Taps taps(to_index(outputs(inputs)));
    for_each(inputs, [&](std::int64_t out, std::int64_t weight, std::int64_t in) {
      taps[to_index(out)].push_back({weight, in});
    });
    return taps;
  }
  Taps of_inputs(std::int64_t inputs) const {
    Taps taps(to_index(inputs));
    for_each(inputs, [&](std::int64_t out, std::int64_t weight, std::int64_t in) {
      taps[to_index(in)].push_back({weight, out});
    });
    return taps;
  }

 private:
  template <typename Use>
  void for_each(std::int64_t inputs, const Use& use) const {
    for (std::int64_t out = 0; out < outputs(inputs); ++out) {
      for (std::int64_t weight = 0; weight < size; ++weight) {
        const std::int64_t in = out * stride + weight - size / 2;
        if (in >= 0 && in < inputs) use(out, weight, in);
      }
    }
  }
};

/// Rows of a map whose numbers stay in the second-level cache.
std::int64_t strip_rows(std::int64_t row_numbers) {
  return std::max<std::int64_t>(1, (512 << 10) / 2 / row_numbers);
}

/// Sums of 32 channels of what taps lead to, times their weights.
class Gather {
 public:
  /// @param weights for each 32 channels of `to` [window][window][channels of `from`/32] steps of columns
  Gather(const at::Tensor& from, const at::Tensor& weights, std::int64_t window, const at::Tensor& to)
      : from_(from),
        to_(to),
        source_(bits_of(from)),
        weights_(bits_of(weights)),
        target_(bits_to(to)),
        window_(window) {}

  void run(const Taps& vertical, const Taps& horizontal) const {
    const std::int64_t rows = strip_rows(from_.row()), panels = to_.channels / panel;
    const std::int64_t strips = (to_.height + rows - 1) / rows, rest = to_.pictures % tiles::tile;
    const auto run_units = [&](std::int64_t begin, std::int64_t end, std::int64_t first, std::int64_t last) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t top = unit / panels * rows;
        for (std::int64_t y = top; y < std::min(top + rows, to_.height); ++y) {
          for (std::int64_t x = 0; x < to_.width; ++x)
            run_place(y, x, unit % panels, vertical[to_index(y)], horizontal[to_index(x)], {first, last});
        }
      }
    };
    at::parallel_for(0, strips * panels, 1, [&](std::int64_t begin, std::int64_t end) {
      {
        const tiles::Tiles whole;
        run_units(begin, end, 0, to_.pictures - rest);
      }
      if (rest == 0) return;
      const tiles::Tiles some(static_cast<int>(rest));
      run_units(begin, end, to_.pictures - rest, to_.pictures);
    });
  }

 private:
  struct Pictures {
    std::int64_t begin, end;
  };

  void run_place(std::int64_t y, std::int64_t x, std::int64_t index, const std::vector<Tap>& vertical,
                 const std::vector<Tap>& horizontal, Pictures pictures) const {
    const std::int64_t steps = from_.channels / panel;
    std::array<Factors, most_taps> factors;
    std::array<float, static_cast<std::size_t>(panel) * panel> sums;  // NOLINT: all that is read is written
    Bits* to = target_ + (y * to_.width + x) * to_.position() + index * panel;
    for (std::int64_t first = pictures.begin; first < pictures.end; first += panel) {
      std::size_t count = 0;
      for (const Tap& v : vertical) {
        for (const Tap& h : horizontal) {
          factors[count++] = {
              source_ + (v.place * from_.width + h.place) * from_.position() + first * from_.channels,
              weights_ + ((index * window_ + v.weight) * window_ + h.weight) * steps * tiles::step};
        }
      }
      const std::int64_t rows = std::min<std::int64_t>(panel, pictures.end - first);
      tiles::multiply({factors.data(), count, static_cast<int>(steps), from_.channels},
                      rows > tiles::tile ? 2 : 1, sums.data(), panel, false);
      tiles::narrow(sums.data(), static_cast<int>(rows), to + first * to_.channels, to_.channels);
    }
  }

  const Maps from_, to_;
  const Bits *source_, *weights_;
  Bits* target_;
  const std::int64_t window_;
};

/// The gradient of a weight: for each tap the products of gradients and inputs, summed over pictures and
/// places.
class WeightGradient {
 public:
  WeightGradient(const at::Tensor& x, const at::Tensor& gradient, Window window)
      : x_(x),
        gradient_(gradient),
        inputs_(bits_of(x)),
        gradients_(bits_of(gradient)),
        window_(window),
        vertical_(window.of_outputs(x_.height)),
        horizontal_(window.of_outputs(x_.width)),
        padded_((x_.pictures + panel - 1) / panel * panel),
        columns_(at::empty({x_.height * x_.width * x_.channels * padded_}, x.options())) {}

  void run(const at::Tensor& to) {
    const std::int64_t rows = strip_rows(gradient_.width * padded_ * gradient_.channels);
    rows_ = at::empty({rows * gradient_.width * gradient_.channels * padded_}, columns_.options());
    std::int64_t packed = 0;
    for (std::int64_t top = 0; top < gradient_.height; top += rows) {
      const std::int64_t bottom = std::min(top + rows, gradient_.height);
      std::int64_t needed = packed;
      for (std::int64_t y = top; y < bottom; ++y) {
        for (const Tap& tap : vertical_[to_index(y)]) needed = std::max(needed, tap.place + 1);
      }
      pack(packed, needed, top, bottom);
      packed = needed;
      const std::int64_t panels = gradient_.channels / panel, in_panels = x_.channels / panel;
      at::parallel_for(0, panels * in_panels, 1, [&](std::int64_t begin, std::int64_t end) {
        const tiles::Tiles tiles;
        for (std::int64_t unit = begin; unit < end; ++unit)
          multiply(unit / in_panels, unit % in_panels, top, bottom, to.mutable_data_ptr<float>());
      });
    }
  }

 private:
  // A place's 32 channels.
  std::int64_t cell() const { return panel * padded_; }
  Bits* columns_at(std::int64_t index, std::int64_t y, std::int64_t x) const {
    return bits_to(columns_) + ((index * x_.height + y) * x_.width + x) * cell();
  }
  Bits* rows_at(std::int64_t index, std::int64_t y, std::int64_t x, std::int64_t rows) const {
    return bits_to(rows_) + ((index * rows + y) * gradient_.width + x) * cell();
  }

  void pack(std::int64_t first_input, std::int64_t end_input, std::int64_t top, std::int64_t bottom) const {
    const auto pictures = static_cast<int>(x_.pictures);
    at::parallel_for(first_input * x_.width, end_input * x_.width, 1,
                     [&](std::int64_t begin, std::int64_t end) {
                       for (std::int64_t i = begin; i < end; ++i) {
                         for (std::int64_t index = 0; index < x_.channels / panel; ++index)
                           tiles::pack_columns(inputs_ + i * x_.position() + index * panel, x_.channels,
                                               pictures, columns_at(index, 0, i));
                       }
                     });
    at::parallel_for(0, (bottom - top) * gradient_.width, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        for (std::int64_t index = 0; index < gradient_.channels / panel; ++index)
          tiles::transpose(gradients_ + (top * gradient_.width + i) * gradient_.position() + index * panel,
                           gradient_.channels, pictures, rows_at(index, 0, i, bottom - top));
      }
    });
  }

  void multiply(std::int64_t out_index, std::int64_t in_index, std::int64_t top, std::int64_t bottom,
                float* to) const {
    const std::int64_t taps = window_.size * window_.size;
    std::vector<std::vector<Factors>> factors(to_index(taps));
    for (auto& of_tap : factors) of_tap.reserve(to_index((bottom - top) * gradient_.width));
    for (std::int64_t y = top; y < bottom; ++y) {
      for (const Tap& v : vertical_[to_index(y)]) {
        for (std::int64_t x = 0; x < gradient_.width; ++x) {
          const Bits* rows = rows_at(out_index, y - top, x, bottom - top);
          for (const Tap& h : horizontal_[to_index(x)])
            factors[to_index(v.weight * window_.size + h.weight)].push_back(
                {rows, columns_at(in_index, v.place, h.place)});
        }
      }
    }
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const auto& of_tap = factors[to_index(tap)];
      tiles::multiply({of_tap.data(), of_tap.size(), static_cast<int>(padded_ / panel), padded_}, 2,
                      to + (out_index * panel * taps + tap) * x_.channels + in_index * panel,
                      taps * x_.channels, top > 0);
    }
  }

  const Maps x_, gradient_;
  const Bits *inputs_, *gradients_;
  const Window window_;
  const Taps vertical_, horizontal_;
  const std::int64_t padded_;  // pictures
  at::Tensor columns_, rows_;
};

class Convolve : public torch::autograd::Function<Convolve> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& forward_weights,
                            const at::Tensor& backward_weights, std::int64_t stride) {
    const at::Tensor maps = in_maps(x);
    const Window window{weight.size(2), stride};
    const at::Tensor y =
        new_maps(x.size(0), weight.size(0), window.outputs(x.size(2)), window.outputs(x.size(3)), maps);
    Gather(maps, forward_weights, window.size, y)
        .run(window.of_outputs(x.size(2)), window.of_outputs(x.size(3)));
    context->save_for_backward({maps, weight, backward_weights});
    context->saved_data["stride"] = stride;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor gradient = in_maps(gradients[0]);
    const Window window{weight.size(2), context->saved_data["stride"].toInt()};
    at::Tensor of_x, of_weight;
    if (context->needs_input_grad(0)) {
      of_x = new_maps(x.size(0), x.size(1), x.size(2), x.size(3), x);
      Gather(gradient, saved[2], window.size, of_x)
          .run(window.of_inputs(x.size(2)), window.of_inputs(x.size(3)));
    }
    if (context->needs_input_grad(1)) {
      of_weight = at::empty_like(weight, at::MemoryFormat::ChannelsLast);
      WeightGradient(x, gradient, window).run(of_weight);
    }
    return {of_x, of_weight, {}, {}, {}};
  }
};

/// All but the stem's.
std::vector<Conv2dImpl*> convolutions(const ResNet& network) {
  std::vector<Conv2dImpl*> result;
  for (const auto& module : network->modules(/*include_self=*/false)) {
    auto* conv = module->as<Conv2d>();
    if (conv != nullptr && conv != network->conv1.get()) result.push_back(conv);
  }
  return result;
}

bool tiles_fit(const ResNet& network) {
  const auto all = convolutions(network);
  return std::all_of(all.begin(), all.end(), [](const Conv2dImpl* conv) {
    const auto& options = conv->options;
    return options.groups() == 1 && options.in_channels() % panel == 0 && options.out_channels() % panel == 0;
  });
}

}  // namespace

TileWeights::TileWeights(const at::Tensor& weight)
    : weight_(weight.detach()),
      forward_(at::empty({weight.numel()}, weight.options().dtype(at::kBFloat16).requires_grad(false))),
      backward_(at::empty_like(forward_)) {
  update();
}

void TileWeights::update() const {
  const std::int64_t outputs = weight_.size(0), inputs = weight_.size(1),
                     taps = weight_.size(2) * weight_.size(3);
  const std::int64_t stride = taps * inputs;
  const auto* weight = weight_.const_data_ptr<float>();
  Bits *forward = bits_to(forward_), *backward = bits_to(backward_);
  for (std::int64_t out = 0; out < outputs / panel; ++out) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      for (std::int64_t in = 0; in < inputs / panel; ++in) {
        const float* from = weight + out * panel * stride + tap * inputs + in * panel;
        tiles::pack_transposed_columns(from, stride,
                                       forward + ((out * taps + tap) * (inputs / panel) + in) * tiles::step);
        tiles::pack_columns(from, stride,
                            backward + ((in * taps + tap) * (outputs / panel) + out) * tiles::step);
      }
    }
  }
}

std::vector<std::shared_ptr<const TileWeights>> use_tiles(const std::vector<ResNet>& replicas) {
  std::vector<std::shared_ptr<const TileWeights>> weights;
  if (cpu::amx_bf16_kernels() == nullptr || !tiles_fit(replicas.front())) return weights;
  for (const ResNet& network : replicas) {
    std::size_t index = 0;
    for (Conv2dImpl* conv : convolutions(network)) {
      if (index == weights.size()) weights.push_back(std::make_shared<const TileWeights>(conv->weight));
      conv->train_forward = [packed = weights[index++]](torch::nn::Conv2dImpl& own, const at::Tensor& x) {
        if (x.scalar_type() != at::kBFloat16) return own.forward(x);
        return Convolve::apply(x, own.weight, packed->forward(), packed->backward(),
                               own.options.stride()->at(0));
      };
    }
  }
  return weights;
}

}  // namespace resnet
