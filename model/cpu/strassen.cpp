#include "model/cpu/strassen.h"

#include <algorithm>
#include <iterator>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

namespace resnet::cpu {

namespace {

constexpr int strip_pixels = 56;  // whose inputs and their sums stay in the second-level cache
constexpr std::ptrdiff_t line_size = line_bytes;
constexpr std::ptrdiff_t pixel_sums = output_group * 4;  // bytes

// What the seven products are of: a tile's pixels and a half of their channels, or a sum of strassen_inputs.
struct Input {
  int tile = 0, half = 0;
  int sum = -1;  // −1: pixels as they are
};
constexpr Input inputs[] = {{0, 0}, {0, 1}, {.sum = 3}, {1, 1}, {.sum = 0}, {.sum = 1}, {.sum = 2}};
constexpr int product_count = std::size(inputs);
constexpr int input_sums = 4;

// What they are multiplied with, [7/2·out, in/2]: parts of 64 outputs, the products' one behind the other.
at::Tensor transformed(const at::Tensor& weight) {
  const std::int64_t out = weight.size(0), in = weight.size(1);
  const std::int64_t half_out = padded_channels(static_cast<int>(out)) / 2,
                     half_in = padded_channels(static_cast<int>(in)) / 2;
  const at::Tensor padded = at::zeros({half_out * 2, half_in * 2}, weight.options());
  padded.narrow(0, 0, out).narrow(1, 0, in).copy_(weight.reshape({out, in}));
  const auto half = [&](std::int64_t input, std::int64_t output) {
    return padded.narrow(0, output * half_out, half_out)
        .narrow(1, input * half_in, half_in)
        .reshape({half_out / output_group, output_group, half_in});
  };
  const at::Tensor first = half(0, 1) - half(0, 0), second = half(1, 1) - first;
  return at::stack({half(0, 0), half(1, 0), half(1, 1), second - half(1, 0), first, second,
                    half(1, 1) - half(0, 1)},
                   1)
      .reshape({product_count * half_out, half_in});
}

}  // namespace

bool Strassen::fits(const Kernels& kernels, const Step& step) {
  return kernels.strassen_inputs != nullptr && is_ungrouped(step, 1) &&
         padded_channels(static_cast<int>(step.weight.size(0))) % (2 * output_group) == 0;
}

Strassen::Strassen(const Kernels& kernels, const Step& step, const Packing& packing)
    : kernels_(kernels),
      out_channels_(static_cast<int>(step.weight.size(0))),
      stride_(step.stride),
      weights_(kernels, transformed(step.weight), 1, {}, packing),
      finisher_(step, std::vector<float>(static_cast<std::size_t>(out_channels_), 1.0F), {}, kernels.format) {
}

Activations Strassen::output_of(const Activations& input) const {
  return convolved(input, out_channels_, stride_);
}

int Strassen::pairs_in_row(const Activations& output) const {
  return divide_up(output.width, 2 * kernels_.tile);
}

int Strassen::half_lines(const Activations& input) const { return input.lines() / 2; }

// The sums of inputs are made for each part again.
void Strassen::split(Call& call, int threads) const {
  const int rows = call.output.rows();
  const int wanted = std::max(divide_up(call.output.pixels(), strip_pixels), threads);
  call.strips = std::min(divide_up(wanted, threads) * threads, rows);
  call.parts = std::clamp(2 * threads / call.strips, 1, weights_.parts() / product_count);
}

Strassen::Scratch Strassen::strides(const Call& call, int rows) const {
  const std::ptrdiff_t pixels = divide_up(call.output.width, 2 * pairs_in_row(call.output));
  Scratch s;
  s.pairs = rows * pairs_in_row(call.output);
  s.input_stride = input_sums * half_lines(call.input) * pixels * line_size;
  s.product_stride = product_count * pixels * pixel_sums;
  return s;
}

Strassen::Scratch Strassen::lay_out(const Call& call, int rows, std::byte* scratch) const {
  Scratch s = strides(call, rows);
  s.inputs = scratch;
  s.products = s.inputs + s.pairs * s.input_stride;
  s.pair = reinterpret_cast<Pair*>(s.products + s.pairs * s.product_stride);
  return s;
}

std::size_t Strassen::scratch_bytes(const Call& call) const {
  const Scratch s = strides(call, divide_up(call.output.rows(), call.strips));
  return static_cast<std::size_t>(s.pairs) *
         (static_cast<std::size_t>(s.input_stride + s.product_stride) + sizeof(Pair));
}

void Strassen::run(const Call& call, int unit, std::byte* scratch) const noexcept {
  const Range rows = part_of(call.output.rows(), unit / call.parts, call.strips);
  const Range parts = part_of(weights_.parts() / product_count, unit % call.parts, call.parts);
  const Scratch s = lay_out(call, rows.size(), scratch);
  add_inputs(call, rows, s);
  for (int part = parts.begin; part < parts.end; ++part) {
    for (int product = 0; product < product_count; ++product) multiply(call, part, product, s);
    finish(call, part, s);
  }
}

void Strassen::add_inputs(const Call& call, Range rows, const Scratch& scratch) const {
  const Activations& input = call.input;
  const int pairs = pairs_in_row(call.output), width = call.output.width;
  Pair* pair = scratch.pair;
  std::byte* to = scratch.inputs;
  for (int row = rows.begin; row < rows.end; ++row) {
    const int picture = row / call.output.height, y = row % call.output.height;
    for (int i = 0; i < pairs; ++i, ++pair, to += scratch.input_stride) {
      const Range halves = part_of(divide_up(width, 2), i, pairs);
      const int size = halves.size(), begin = 2 * halves.begin, end = std::min(2 * halves.end, width);
      *pair = {picture, y, {{begin, begin + size}, {begin + size, end}}, {}};
      for (const int tile : {0, 1})
        pair->pixels[tile] = input.pixel(picture, 0, y * stride_, (pair->x[tile].end - size) * stride_);
      kernels_.strassen_inputs(pair->pixels, stride_ * line_size, input.line_stride(), half_lines(input),
                               size, to);
    }
  }
}

void Strassen::multiply(const Call& call, int part, int product, const Scratch& scratch) const {
  const Input& input = inputs[product];
  const bool in_place = input.sum < 0;
  const ConvolveTiles& kernels = in_place && stride_ == 2 ? kernels_.strided : kernels_.dense;
  Tile tile;
  tile.lines = half_lines(call.input);
  tile.rows = 1;
  tile.run = static_cast<int>(line_size) / 4;
  tile.weights = weights_.part(part * product_count + product).weights;
  tile.weight_line_stride = weights_.line_weights(output_group);
  for (int i = 0; i < scratch.pairs; ++i) {
    const Pair& pair = scratch.pair[i];
    const int pixels = pair.x[0].size();
    if (in_place) {
      tile.line_stride = call.input.line_stride();
      tile.input = pair.pixels[input.tile] + input.half * tile.lines * tile.line_stride;
    } else {
      tile.line_stride = pixels * line_size;
      tile.input = scratch.inputs + i * scratch.input_stride + input.sum * tile.lines * tile.line_stride;
    }
    tile.prefetch = i + 1 == scratch.pairs ? tile.lines * tile.weight_line_stride : 0;
    std::byte* sums = scratch.products + i * scratch.product_stride + product * pixels * pixel_sums;
    kernels[pixels - 1](tile, sums, false, nullptr);
  }
}

void Strassen::finish(const Call& call, int part, const Scratch& scratch) const {
  const int halves = weights_.parts() / product_count;
  for (int i = 0; i < scratch.pairs; ++i) {
    const Pair& pair = scratch.pair[i];
    const auto* products = reinterpret_cast<const float*>(scratch.products + i * scratch.product_stride);
    for (const int half : {0, 1}) {
      const int outputs = part + half * halves;
      for (const int tile : {0, 1}) {
        const Range x = pair.x[tile];
        const Finish finish = finisher_.at(call, outputs * output_group, pair.picture, pair.y, x.begin);
        const int size = pair.x[0].size(), known = size - x.size();
        kernels_.strassen_finish[tile][half](finish, products + known * output_group, size, x.size());
      }
      if (pair.x[0].begin == 0) clear_ends(call.output, outputs, pair.picture, pair.y);
    }
  }
}

}  // namespace resnet::cpu
