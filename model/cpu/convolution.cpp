#include "model/cpu/convolution.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace resnet::cpu {

namespace {

constexpr int strip_pixels = 512;                   // whose sums stay in the second-level cache
constexpr std::ptrdiff_t chunk_bytes = 256 * 1024;  // of weights that do, too,
constexpr std::ptrdiff_t input_bytes = 512 * 1024;  // and of what is multiplied with them
constexpr int least_pixels = 24;                    // of a strip, lest weights are read for few

}  // namespace

void clear_ends(const Activations& output, int part, int picture, int y) {
  const int lines = output_group / line_channels(output.format);
  for (int line = part * lines; line < (part + 1) * lines; ++line) {
    std::memset(output.pixel(picture, line, y, -1), 0, line_bytes);
    std::memset(output.pixel(picture, line, y, output.width), 0, line_bytes);
    if (output.margin == 0) continue;
    const auto row = static_cast<std::size_t>(output.row_stride());
    if (y == 0) std::memset(output.pixel(picture, line, -1, -1), 0, row);
    if (y == output.height - 1) std::memset(output.pixel(picture, line, output.height, -1), 0, row);
  }
}

bool is_ungrouped(const Step& step, int size) {
  const bool convolution = step.kind == Step::Kind::convolution || step.kind == Step::Kind::convolution_add;
  return convolution && step.groups == 1 && step.weight.size(2) == size;
}

Activations convolved(const Activations& input, int channels, int stride) {
  Activations output = input;
  output.channels = channels;
  output.height = (input.height - 1) / stride + 1;
  output.width = (input.width - 1) / stride + 1;
  return output;
}

Finisher::Finisher(const Step& step, const std::vector<float>& weight_scale,
                   const ConvolutionQuantizers& quantizers, Format format)
    : factors_(channel_factors(weight_scale, step.bias, quantizers.input.scale, quantizers.output)),
      least_(step.relu || format == Format::u8 ? 0.0F : std::numeric_limits<float>::lowest()),
      residual_scale_(quantizers.residual.scale / quantizers.output.scale) {
  if (step.kind != Step::Kind::convolution_add) return;
  for (float& bias : factors_.bias) bias -= quantizers.residual.zero * residual_scale_;
}

Finish Finisher::at(const Call& call, int channel, int picture, int y, int x) const {
  Finish finish;
  finish.scale = &factors_.scale[static_cast<std::size_t>(channel)];
  finish.bias = &factors_.bias[static_cast<std::size_t>(channel)];
  finish.least = least_;
  finish.residual_scale = residual_scale_;
  finish.output = call.output.channel(picture, channel, y, x);
  if (call.residual != nullptr) finish.residual = call.residual + (finish.output - call.output.data);
  finish.line_stride = call.output.line_stride();
  return finish;
}

Convolution::Convolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
                         const Packing& packing)
    : Convolution(kernels, step, quantizers, scale_weights(kernels.weights, step.weight), packing) {}

Convolution::Convolution(const Kernels& kernels, const Step& step, const ConvolutionQuantizers& quantizers,
                         const ScaledWeights& weights, const Packing& packing)
    : kernels_(kernels),
      out_channels_(static_cast<int>(step.weight.size(0))),
      stride_(step.stride),
      weights_(kernels, weights.values, step.groups, {}, packing),
      finisher_(step, weights.scale, quantizers, kernels.format) {}

Activations Convolution::output_of(const Activations& input) const {
  return convolved(input, out_channels_, stride_);
}

void Convolution::split(Call& call, int threads) const {
  call.parts = weights_.parts();
  const int read = weights_.size() == 1 ? 1 : stride_ * stride_;  // pixels, for each that is made
  const std::ptrdiff_t pixel_bytes =
      chunk_lines(weights_.part(0).lines) * read * static_cast<std::ptrdiff_t>(line_bytes);
  const int fit = std::clamp(static_cast<int>(input_bytes / pixel_bytes), least_pixels, strip_pixels);
  const int wanted = std::max(divide_up(call.output.pixels(), fit), divide_up(3 * threads, call.parts));
  // As many strips for each thread, of the same pixels as in the step before, which are in its caches.
  const bool shared = wanted >= threads || call.output.pixels() >= threads * least_pixels;
  call.strips = std::clamp(shared ? divide_up(wanted, threads) * threads : wanted, 1, call.output.rows());
}

// Lines of so many that are summed in one go.
int Convolution::chunk_lines(int lines) const {
  const int fit = std::max(1, static_cast<int>(chunk_bytes / weights_.line_weights(output_group)));
  return divide_up(lines, divide_up(lines, fit));
}

std::size_t Convolution::scratch_bytes(const Call& call) const {
  const auto rows = static_cast<std::size_t>(divide_up(call.output.rows(), call.strips));
  return rows * static_cast<std::size_t>(call.output.width) * output_group * sizeof(float);
}

void Convolution::run(const Call& call, int unit, std::byte* scratch) const noexcept {
  const int index = unit % call.parts;
  const int part_lines = weights_.part(index).lines;
  const Range rows = part_of(call.output.rows(), unit / call.parts, call.strips);
  const int chunk = chunk_lines(part_lines);
  // What is not done in one go is kept; else each row uses the same place again.
  const std::ptrdiff_t row_sums =
      chunk < part_lines ? std::ptrdiff_t{call.output.width} * output_group * 4 : 0;
  for (int line = 0; line < part_lines; line += chunk) {
    const Range lines{line, std::min(line + chunk, part_lines)};
    std::byte* sums = scratch;
    for (int row = rows.begin; row < rows.end; ++row, sums += row_sums)
      run_row(call, index, lines, row, row == rows.end - 1, sums);
  }
}

// The row's sums over some of the input's lines. With the last of them it is finished: without any other,
// sums are never in memory.
void Convolution::run_row(const Call& call, int index, Range lines, int row, bool prefetch,
                          std::byte* sums) const {
  const PackedWeights::Part& part = weights_.part(index);
  const int size = weights_.size();
  const std::ptrdiff_t line_weights = weights_.line_weights(output_group);
  const Activations& input = call.input;
  const int picture = row / call.output.height, y = row % call.output.height;
  const int first_y = y * stride_ - size / 2;
  const int skipped = std::max(0, -first_y);  // rows of the window that lie outside
  const int first_x = -(size / 2);
  Tile tile;
  tile.line_stride = input.line_stride();
  tile.lines = lines.size();
  tile.row_stride = input.row_stride();
  tile.rows = std::min(size, input.height - first_y) - skipped;
  tile.run = size * static_cast<int>(line_bytes) / 4;
  tile.weight_line_stride = line_weights;
  tile.weights = part.weights + lines.begin * line_weights +
                 std::ptrdiff_t{skipped} * size * static_cast<std::ptrdiff_t>(line_bytes) * output_group;
  const std::byte* first = input.pixel(picture, part.first_line + lines.begin, first_y + skipped, first_x);
  Finish finish = finisher_.at(call, index * output_group, picture, y, 0);
  const bool last = lines.end == part.lines;
  const ConvolveTiles& kernels = stride_ == 1 ? kernels_.dense : kernels_.strided;
  const int tiles = tiles_for(kernels_, call.output.width);
  for (int i = 0; i < tiles; ++i) {
    const Range pixels = part_of(call.output.width, i, tiles);
    tile.input = first + std::ptrdiff_t{pixels.begin} * stride_ * static_cast<std::ptrdiff_t>(line_bytes);
    tile.prefetch = prefetch && i == 0 ? lines.size() * line_weights : 0;
    kernels[pixels.size() - 1](tile, sums, lines.begin > 0, last ? &finish : nullptr);
    sums += std::ptrdiff_t{pixels.size()} * output_group * 4;
    const std::ptrdiff_t done = pixels.size() * static_cast<std::ptrdiff_t>(line_bytes);
    finish.output += done;
    if (finish.residual != nullptr) finish.residual += done;
  }
  if (last) clear_ends(call.output, index, picture, y);
}

}  // namespace resnet::cpu
