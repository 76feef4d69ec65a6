#include "model/cpu/convolution.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace resnet::cpu {

namespace {

constexpr int strip_pixels = 512;                   // whose sums stay in the second-level cache
constexpr int least_pixels = 24;                    // of a strip, lest weights are read for few
constexpr std::ptrdiff_t chunk_bytes = 256 * 1024;  // of weights that do, too

}  // namespace

void clear_ends(const Activations& output, int part, int picture, int y) {
  const int lines = output_group / line_channels(output.format);
  for (int line = part * lines; line < (part + 1) * lines; ++line) {
    std::memset(output.pixel(picture, line, y, -1), 0, line_bytes);
    std::memset(output.pixel(picture, line, y, output.width), 0, line_bytes);
  }
}

Finisher::Finisher(const Step& step, const std::vector<float>& weight_scale,
                   const ConvolutionQuantizers& quantizers, Format format)
    : factors_(channel_factors(weight_scale, step.bias, quantizers.input.scale, quantizers.output)),
      least_(step.relu || format == Format::u8 ? 0.0F : std::numeric_limits<float>::lowest()),
      residual_scale_(quantizers.residual.scale / quantizers.output.scale) {
  if (step.kind != Step::Kind::convolution_add) return;
  for (float& bias : factors_.bias) bias -= quantizers.residual.zero * residual_scale_;
}

Finish Finisher::at(const Call& call, int part, int picture, int y, int x) const {
  Finish finish;
  finish.scale = &factors_.scale[static_cast<std::size_t>(part) * output_group];
  finish.bias = &factors_.bias[static_cast<std::size_t>(part) * output_group];
  finish.least = least_;
  finish.residual_scale = residual_scale_;
  const int line = part * output_group / line_channels(call.output.format);
  finish.output = call.output.pixel(picture, line, y, x);
  if (call.residual != nullptr) finish.residual = call.residual + (finish.output - call.output.data);
  finish.line_stride = call.output.line_stride();
  return finish;
}

Convolution::Convolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
                         const Parallel& parallel)
    : Convolution(kernels, step, quantizers, scale_weights(kernels.weights, step.weight), parallel) {}

Convolution::Convolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
                         const ScaledWeights& weights, const Parallel& parallel)
    : kernels_(kernels),
      in_channels_(static_cast<int>(step.weight.size(1)) * step.groups),
      out_channels_(static_cast<int>(step.weight.size(0))),
      size_(step.weight.dim() == 4 ? static_cast<int>(step.weight.size(2)) : 1),
      stride_(step.stride),
      finisher_(step, weights.scale, quantizers, kernels.format) {
  pack(weights.values, step.groups, parallel);
}

std::ptrdiff_t Convolution::weight_line_bytes() const {
  return std::ptrdiff_t{size_} * size_ * static_cast<std::ptrdiff_t>(line_bytes) * output_group;
}

void Convolution::pack(const at::Tensor& weight, int groups, const Parallel& parallel) {
  const int channels = line_channels(kernels_.format);
  const int group_in = in_channels_ / groups, group_out = out_channels_ / groups;
  std::ptrdiff_t lines = 0;
  for (int first = 0; first < out_channels_; first += output_group) {
    const int last = std::min(first + output_group, out_channels_) - 1;
    const int first_line = first / group_out * group_in / channels;
    const int end_line = divide_up((last / group_out + 1) * group_in, channels);
    parts_.push_back({first_line, end_line - first_line, nullptr});
    lines += parts_.back().lines;
  }
  weights_ = allocate(static_cast<std::size_t>(lines * weight_line_bytes()));
  std::byte* place = weights_.get();
  for (Part& part : parts_) {
    part.weights = place;
    place += part.lines * weight_line_bytes();
  }
  parallel(static_cast<int>(parts_.size()), [&](int index) { pack_part(weight, groups, index); });
}

void Convolution::pack_part(const at::Tensor& weight, int groups, int index) const {
  const Part& part = parts_[static_cast<std::size_t>(index)];
  const int channels = line_channels(kernels_.format);
  const int group_in = in_channels_ / groups, group_out = out_channels_ / groups;
  const int first = index * output_group;
  const float* from = weight.const_data_ptr<float>();
  const std::ptrdiff_t taps = std::ptrdiff_t{size_} * size_;
  std::array<int, output_group> first_in{};  // of each output's group
  for (int output = 0; output < output_group; ++output)
    first_in[static_cast<std::size_t>(output)] = (first + output) / group_out * group_in;
  std::byte* to = part.weights;
  for (int line = part.first_line; line < part.first_line + part.lines; ++line) {
    for (std::ptrdiff_t tap = 0; tap < taps; ++tap) {
      to = write_weights(to, kernels_.weights, channels, [&](int output, int k) {
        const int in = line * channels + k - first_in[static_cast<std::size_t>(output)];
        if (first + output >= out_channels_ || in < 0 || in >= group_in) return 0.0F;
        return from[(std::ptrdiff_t{first + output} * group_in + in) * taps + tap];
      });
    }
  }
}

Activations Convolution::output_of(const Activations& input) const {
  Activations output = input;
  output.channels = out_channels_;
  output.height = (input.height - 1) / stride_ + 1;
  output.width = (input.width - 1) / stride_ + 1;
  return output;
}

void Convolution::split(Call& call, int threads) const {
  call.parts = static_cast<int>(parts_.size());
  const int wanted =
      std::max(divide_up(call.output.pixels(), strip_pixels), divide_up(3 * threads, call.parts));
  // As many strips for each thread, of the same pixels as in the step before, which are in its caches.
  const bool shared = wanted >= threads || call.output.pixels() >= threads * least_pixels;
  call.strips = std::clamp(shared ? divide_up(wanted, threads) * threads : wanted, 1, call.output.rows());
}

int Convolution::chunk_lines(const Part& part) const {
  const int fit = std::max(1, static_cast<int>(chunk_bytes / weight_line_bytes()));
  return divide_up(part.lines, divide_up(part.lines, fit));
}

std::size_t Convolution::scratch_bytes(const Call& call) const {
  const auto rows = static_cast<std::size_t>(divide_up(call.output.rows(), call.strips));
  return rows * static_cast<std::size_t>(call.output.width) * output_group * sizeof(float);
}

void Convolution::run(const Call& call, int unit, std::byte* scratch) const noexcept {
  const int index = unit % call.parts;
  const Part& part = parts_[static_cast<std::size_t>(index)];
  const Range rows = part_of(call.output.rows(), unit / call.parts, call.strips);
  const int chunk = chunk_lines(part);
  // What is not done in one go is kept; else each row uses the same place again.
  const std::ptrdiff_t row_sums =
      chunk < part.lines ? std::ptrdiff_t{call.output.width} * output_group * 4 : 0;
  for (int line = 0; line < part.lines; line += chunk) {
    const Range lines{line, std::min(line + chunk, part.lines)};
    std::byte* sums = scratch;
    for (int row = rows.begin; row < rows.end; ++row, sums += row_sums)
      run_row(call, index, lines, row, row == std::min(rows.begin + 1, rows.end - 1), sums);
  }
}

// The row's sums over some of the input's lines. With the last of them it is finished: without any other,
// sums are never in memory.
void Convolution::run_row(const Call& call, int index, Range lines, int row, bool prefetch,
                          std::byte* sums) const {
  const Part& part = parts_[static_cast<std::size_t>(index)];
  const Activations& input = call.input;
  const int picture = row / call.output.height, y = row % call.output.height;
  const int first_y = y * stride_ - size_ / 2;
  const int skipped = std::max(0, -first_y);  // rows of the window that lie outside
  const int first_x = -(size_ / 2);
  Tile tile;
  tile.line_stride = input.line_stride();
  tile.lines = lines.size();
  tile.row_stride = input.row_stride();
  tile.rows = std::min(size_, input.height - first_y) - skipped;
  tile.run = size_ * static_cast<int>(line_bytes) / 4;
  tile.weight_line_stride = weight_line_bytes();
  tile.weights = part.weights + lines.begin * weight_line_bytes() +
                 std::ptrdiff_t{skipped} * size_ * static_cast<std::ptrdiff_t>(line_bytes) * output_group;
  const std::byte* first = input.pixel(picture, part.first_line + lines.begin, first_y + skipped, first_x);
  Finish finish = finisher_.at(call, index, picture, y, 0);
  const bool last = lines.end == part.lines;
  const ConvolveTiles& kernels = stride_ == 1 ? kernels_.dense : kernels_.strided;
  const int tiles = divide_up(call.output.width, max_tile);
  for (int i = 0; i < tiles; ++i) {
    const Range pixels = part_of(call.output.width, i, tiles);
    tile.input = first + std::ptrdiff_t{pixels.begin} * stride_ * static_cast<std::ptrdiff_t>(line_bytes);
    tile.prefetch = prefetch && i == 0 ? lines.size() * weight_line_bytes() : 0;
    kernels[pixels.size() - 1](tile, sums, lines.begin > 0, last ? &finish : nullptr);
    sums += std::ptrdiff_t{pixels.size()} * output_group * 4;
    const std::ptrdiff_t done = pixels.size() * static_cast<std::ptrdiff_t>(line_bytes);
    finish.output += done;
    if (finish.residual != nullptr) finish.residual += done;
  }
  if (last) clear_ends(call.output, index, picture, y);
}

}  // namespace resnet::cpu
