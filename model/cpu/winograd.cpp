#include "model/cpu/winograd.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "model/quantization.h"

namespace resnet::cpu {

namespace {

constexpr std::ptrdiff_t line_size = line_bytes;
constexpr std::ptrdiff_t pixel_sums = output_group * 4;  // bytes
constexpr std::ptrdiff_t most_asked_for = 64 * 1024;     // more would keep the products waiting
constexpr int max_components = max_winograd_input * max_winograd_input;

// Sums of the positive and of the negative factors in the rows of the inputs' transform for tiles of 4×4.
constexpr double positive_factors[max_winograd_input] = {5, 2, 5, 3, 3, 5};
constexpr double negative_factors[max_winograd_input] = {5, 8, 5, 3, 3, 5};

// The greatest magnitude of such a component of inputs from 0 to 255.
double greatest_component(int y, int x) {
  const double same = positive_factors[y] * positive_factors[x] + negative_factors[y] * negative_factors[x];
  const double other = positive_factors[y] * negative_factors[x] + negative_factors[y] * positive_factors[x];
  return 255 * std::max(same, other);
}

// A number for each of 64 outputs.
using Outputs = std::array<float, output_group>;

// G of three weights, where Bᵀ is as in the kernels; a loop for each, or they would not be vectorised.
void transform_three(const WinogradTransform& transform, const Outputs& a, const Outputs& b, const Outputs& c,
                     Outputs* to) {
  if (transform.stride == 2) {
    for (std::size_t i = 0; i < output_group; ++i) {
      to[0][i] = a[i];
      to[1][i] = a[i] + c[i];
      to[2][i] = c[i];
      to[3][i] = to[4][i] = b[i];
    }
  } else if (transform.tile == 2) {
    for (std::size_t i = 0; i < output_group; ++i) {
      to[0][i] = a[i];
      to[1][i] = (a[i] + c[i] + b[i]) / 2;
      to[2][i] = (a[i] + c[i] - b[i]) / 2;
      to[3][i] = c[i];
    }
  } else {
    for (std::size_t i = 0; i < output_group; ++i) {
      const float even = a[i] + c[i], wide = a[i] + 4 * c[i];
      to[0][i] = a[i] / 4;
      to[1][i] = -(even + b[i]) / 6;
      to[2][i] = -(even - b[i]) / 6;
      to[3][i] = (wide + 2 * b[i]) / 24;
      to[4][i] = (wide - 2 * b[i]) / 24;
      to[5][i] = c[i];
    }
  }
}

// The components of 3×3 weights, of up to 64 outputs that lie `stride` floats apart.
void transform_weights(const WinogradTransform& transform, const float* weight, std::ptrdiff_t stride,
                       int outputs, Outputs* components) {
  std::array<Outputs, 9> taps{};
  for (int output = 0; output < outputs; ++output, weight += stride) {
    for (std::size_t tap = 0; tap < 9; ++tap) taps[tap][static_cast<std::size_t>(output)] = weight[tap];
  }
  std::array<std::array<Outputs, max_winograd_input>, 3> columns;  // of the weights, transformed down
  for (std::size_t x = 0; x < 3; ++x)
    transform_three(transform, taps[x], taps[3 + x], taps[6 + x], columns[x].data());
  const auto input = static_cast<std::size_t>(transform.input());
  for (std::size_t y = 0; y < input; ++y)
    transform_three(transform, columns[0][y], columns[1][y], columns[2][y], components + y * input);
}

int tiles_of(const Activations& output, int tile) {
  return output.pictures * divide_up(output.height, tile) * divide_up(output.width, tile);
}

}  // namespace

bool Winograd::fits(const WinogradTransform& transform, const Step& step) {
  return transform.tile > 0 && step.stride == transform.stride && is_ungrouped(step, 3);
}

std::size_t Winograd::weight_bytes(const Kernels& kernels, const WinogradTransform& transform,
                                   const Step& step) {
  const auto in = static_cast<std::size_t>(padded_channels(static_cast<int>(step.weight.size(1))));
  const auto out = static_cast<std::size_t>(padded_channels(static_cast<int>(step.weight.size(0))));
  return in * out * static_cast<std::size_t>(transform.components()) *
         static_cast<std::size_t>(cpu::weight_bytes(kernels.winograd_weights));
}

Winograd::Winograd(const Kernels& kernels, const WinogradTransform& transform, const Step& step,
                   const ConvolutionQuantizers& quantizers, const Packing& packing)
    : kernels_(kernels),
      transform_(transform),
      in_channels_(static_cast<int>(step.weight.size(1))),
      out_channels_(static_cast<int>(step.weight.size(0))),
      finisher_(step, std::vector<float>(static_cast<std::size_t>(out_channels_), 1.0F),
                {{}, quantizers.output, quantizers.residual}, kernels.format) {
  weights_ = packing.memory.take(weight_bytes(kernels, transform, step));
  // Its own scales are finer than those of 8-bit weights: they take the quantized weights' real values.
  const at::Tensor weight =
      kernels.winograd_integers ? to_real(quantize_weights(step.weight)) : step.weight.contiguous();
  pack(weight, quantizers.input.scale, packing.parallel);
}

// @param scale of the input, where the sums are integers
void Winograd::pack(const at::Tensor& weight, float scale, const Parallel& parallel) {
  const int parts = padded_channels(out_channels_) / output_group;
  component_weights_ = std::ptrdiff_t{padded_channels(in_channels_)} *
                       cpu::weight_bytes(kernels_.winograd_weights) * output_group;
  if (kernels_.winograd_integers)
    component_scale_.resize(static_cast<std::size_t>(parts * transform_.components()) * output_group);
  parallel(parts, [&](int part) { pack_part(weight, scale, part); });
}

void Winograd::pack_part(const at::Tensor& weight, float scale, int part) {
  if (padded_channels(in_channels_) != in_channels_) {
    const std::ptrdiff_t part_weights = transform_.components() * component_weights_;
    std::memset(weights_ + part * part_weights, 0, static_cast<std::size_t>(part_weights));
  }
  const std::ptrdiff_t stride = std::ptrdiff_t{in_channels_} * 9;
  const float* from = weight.const_data_ptr<float>() + part * output_group * stride;
  const int outputs = std::min(output_group, out_channels_ - part * output_group);
  const auto count = static_cast<std::size_t>(transform_.components());
  std::array<Outputs, max_components> components, step;
  for (Outputs& steps : step) steps.fill(1.0F);
  if (kernels_.winograd_integers) find_steps(from, outputs, step.data());
  for (int i = 0; i < in_channels_; ++i) {
    transform_weights(transform_, from + std::ptrdiff_t{i} * 9, stride, outputs, components.data());
    for (std::size_t c = 0; c < count; ++c) {
      for (std::size_t o = 0; o < output_group; ++o) components[c][o] /= step[c][o];
    }
    write(part, i, components.data());
  }
  if (!kernels_.winograd_integers) return;
  float* to = &component_scale_[static_cast<std::size_t>(part) * count * output_group];
  for (std::size_t c = 0; c < count; ++c) {
    for (const float one : step[c]) *to++ = one * scale;
  }
}

// What one step of the 16-bit weights of a part is, [components][64]: as fine as their type and the sums'
// allow, so that no input makes a sum overflow.
void Winograd::find_steps(const float* weight, int outputs, std::array<float, output_group>* step) const {
  std::array<Outputs, max_components> components, most{}, sum{};
  for (int i = 0; i < in_channels_; ++i) {
    transform_weights(transform_, weight + std::ptrdiff_t{i} * 9, std::ptrdiff_t{in_channels_} * 9, outputs,
                      components.data());
    for (std::size_t c = 0; c < max_components; ++c) {
      for (std::size_t o = 0; o < output_group; ++o) {
        most[c][o] = std::max(most[c][o], std::abs(components[c][o]));
        sum[c][o] += std::abs(components[c][o]);
      }
    }
  }
  for (int c = 0; c < max_components; ++c) {
    const auto at = static_cast<std::size_t>(c);
    // Rounding adds half a step to each weight at most.
    const double room = 2147483647.0 / greatest_component(c / max_winograd_input, c % max_winograd_input) -
                        0.5 * in_channels_;
    for (std::size_t o = 0; o < output_group; ++o) {
      const double finest = std::max(double{most[at][o]} / 32767, double{sum[at][o]} / room);
      step[c][o] = finest > 0 ? static_cast<float>(finest * (1 + 1e-4)) : 1.0F;
    }
  }
}

// Puts the components of one input channel's weights in their places.
void Winograd::write(int part, int channel, const std::array<float, output_group>* components) {
  const WeightType type = kernels_.winograd_weights;
  const int bytes = cpu::weight_bytes(type), in_group = 4 / bytes;
  std::byte* group = weights_ + std::ptrdiff_t{part} * transform_.components() * component_weights_ +
                     std::ptrdiff_t{channel / in_group} * output_group * 4 + channel % in_group * bytes;
  for (int c = 0; c < transform_.components(); ++c, group += component_weights_) {
    std::byte* to = group;
    for (const float value : components[c]) {
      write_weight(to, type, value);
      to += 4;
    }
  }
}

Activations Winograd::output_of(const Activations& input) const {
  return convolved(input, out_channels_, transform_.stride);
}

int Winograd::component_lines(const Activations& input) const {
  return input.lines() * kernels_.winograd_lines;
}

// The cheapest of the ways to cut the work, in cycles: more tiles at a time read the weights less often, but
// their components must stay in the second-level cache.
void Winograd::split(Call& call, int threads) const {
  constexpr double input_cycles = 6, output_cycles = 25;  // of a component of a line; of 64 channels
  constexpr double weight_bytes_a_cycle = 10, cache = 800 * 1024;
  const int tiles = tiles_of(call.output, transform_.tile),
            groups = padded_channels(out_channels_) / output_group;
  const double lines = component_lines(call.input), components = transform_.components();
  double least = 0;
  for (int strips = 1; strips <= std::min(tiles, std::max(64, threads)); ++strips) {
    for (int parts = 1; parts <= groups; ++parts) {
      const double unit_tiles = divide_up(tiles, strips), unit_groups = divide_up(groups, parts);
      const double component_bytes = components * unit_tiles * lines * line_bytes;
      const double sum_cycles = components * lines * 64 * unit_tiles * unit_groups;
      const double read_cycles =
          unit_groups * static_cast<double>(component_weights_) * components / weight_bytes_a_cycle;
      const double spill_cycles = component_bytes > cache ? component_bytes * unit_groups / 16 : 0;
      const double cycles = unit_tiles * components * (lines * input_cycles + unit_groups * output_cycles) +
                            std::max(sum_cycles, read_cycles) + 0.1 * read_cycles + spill_cycles;
      const double all = cycles * divide_up(strips * parts, threads);
      if (least == 0 || all < least) {
        least = all;
        call.strips = strips;
        call.parts = parts;
      }
    }
  }
}

Winograd::Scratch Winograd::strides(const Call& call, int tiles) const {
  Scratch s;
  s.tiles = tiles;
  s.line_stride = tiles * line_size;
  // Not a multiple of a page, lest the components of a tile share one place in the cache.
  s.component_stride = component_lines(call.input) * s.line_stride + line_size;
  s.sum_stride = tiles * pixel_sums + line_size;
  return s;
}

Winograd::Scratch Winograd::lay_out(const Call& call, int tiles, std::byte* scratch) const {
  Scratch s = strides(call, tiles);
  s.components = scratch;
  s.sums = s.components + transform_.components() * s.component_stride;
  s.pixels = s.sums + transform_.components() * s.sum_stride;
  return s;
}

std::size_t Winograd::scratch_bytes(const Call& call) const {
  const Scratch s = strides(call, divide_up(tiles_of(call.output, transform_.tile), call.strips));
  const std::ptrdiff_t components = transform_.components();
  const std::ptrdiff_t pixels =
      std::max(components * line_size, transform_.tile * transform_.tile * pixel_sums);
  return static_cast<std::size_t>(components * (s.component_stride + s.sum_stride) + pixels);
}

void Winograd::run(const Call& call, int unit, std::byte* scratch) const noexcept {
  const Range tiles = part_of(tiles_of(call.output, transform_.tile), unit / call.parts, call.strips);
  const Range parts = part_of(padded_channels(out_channels_) / output_group, unit % call.parts, call.parts);
  const Scratch s = lay_out(call, tiles.size(), scratch);
  transform(call, tiles, s);
  for (int part = parts.begin; part < parts.end; ++part) {
    sum(part, s);
    finish(call, tiles, part, s);
  }
}

namespace {

struct Corner {
  int picture = 0, y = 0, x = 0;
};

Corner corner_of(const Activations& output, int size, int tile) {
  const int across = divide_up(output.width, size), down = divide_up(output.height, size);
  return {tile / (across * down), tile / across % down * size, tile % across * size};
}

}  // namespace

void Winograd::transform(const Call& call, Range tiles, const Scratch& scratch) const {
  const Activations& input = call.input;
  for (int tile = tiles.begin; tile < tiles.end; ++tile) {
    const Corner corner = corner_of(call.output, transform_.tile, tile);
    const int top = corner.y * transform_.stride - 1, left = corner.x * transform_.stride - 1;
    const bool inside =
        top >= 0 && top + transform_.input() <= input.height && left + transform_.input() <= input.width + 1;
    std::byte* to = scratch.components + (tile - tiles.begin) * line_size;
    if (!inside) std::memset(scratch.pixels, 0, transform_.components() * line_size);
    for (int line = 0; line < input.lines(); ++line) {
      const std::byte* pixels = input.pixel(corner.picture, line, std::max(top, 0), left);
      std::ptrdiff_t row_stride = input.row_stride();
      if (!inside) {
        const int end_y = std::min(top + transform_.input(), input.height);
        const int columns = std::min(transform_.input(), input.width + 1 - left);
        for (int y = std::max(top, 0); y < end_y; ++y, pixels += row_stride)
          std::memcpy(scratch.pixels + (y - top) * transform_.input() * line_size, pixels,
                      static_cast<std::size_t>(columns * line_size));
        pixels = scratch.pixels;
        row_stride = transform_.input() * line_size;
      }
      transform_.inputs(pixels, row_stride, to + line * kernels_.winograd_lines * scratch.line_stride,
                        scratch.component_stride, scratch.line_stride);
    }
  }
}

void Winograd::sum(int part, const Scratch& scratch) const {
  Tile tile;
  tile.line_stride = scratch.line_stride;
  tile.lines = static_cast<int>(component_weights_ / (line_size * output_group));
  tile.rows = 1;
  tile.run = static_cast<int>(line_size) / 4;
  tile.weight_line_stride = line_size * output_group;
  tile.weights = weights_ + std::ptrdiff_t{part} * transform_.components() * component_weights_;
  const int runs = tiles_for(kernels_, scratch.tiles);
  const std::ptrdiff_t next = component_weights_ <= most_asked_for ? component_weights_ : 0;
  for (int component = 0; component < transform_.components();
       ++component, tile.weights += component_weights_) {
    const std::byte* input = scratch.components + component * scratch.component_stride;
    std::byte* sums = scratch.sums + component * scratch.sum_stride;
    for (int i = 0; i < runs; ++i) {
      const Range pixels = part_of(scratch.tiles, i, runs);
      tile.input = input + pixels.begin * line_size;
      tile.prefetch = i + 1 == runs ? next : 0;
      kernels_.winograd_sum[pixels.size() - 1](tile, sums + pixels.begin * pixel_sums, false);
    }
  }
}

void Winograd::finish(const Call& call, Range tiles, int part, const Scratch& scratch) const {
  const Activations& output = call.output;
  auto* results = reinterpret_cast<float*>(scratch.pixels);
  const float* scale =
      component_scale_.empty()
          ? nullptr
          : &component_scale_[static_cast<std::size_t>(part * transform_.components()) * output_group];
  for (int tile = tiles.begin; tile < tiles.end; ++tile) {
    const Corner corner = corner_of(output, transform_.tile, tile);
    transform_.outputs(scratch.sums + (tile - tiles.begin) * pixel_sums, scratch.sum_stride, scale, results);
    const int columns = std::min(transform_.tile, output.width - corner.x);
    for (int y = 0; y < std::min(transform_.tile, output.height - corner.y); ++y) {
      const Finish finish = finisher_.at(call, part * output_group, corner.picture, corner.y + y, corner.x);
      kernels_.finish(finish, results + y * transform_.tile * output_group, columns);
      if (corner.x == 0) clear_ends(output, part, corner.picture, corner.y + y);
    }
  }
}

}  // namespace resnet::cpu
