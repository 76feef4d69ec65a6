#include "model/cpu/block_convolution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace resnet::cpu {

namespace {

constexpr std::ptrdiff_t line_size = line_bytes;

/// Rows of an output whose pixels lie behind each other.
struct Segment {
  int picture = 0, y = 0;
  int rows = 0;
};

/// The next of `rows`; takes it from them.
Segment take_segment(const Activations& output, int stride, Range& rows) {
  Segment segment;
  segment.picture = rows.begin / output.height;
  segment.y = rows.begin % output.height;
  segment.rows = stride == 1 ? std::min(rows.size(), output.height - segment.y) : 1;
  rows.begin += segment.rows;
  return segment;
}

/// Its pixels, with the zeros between rows.
int pixels_of(const Activations& output, const Segment& segment) {
  return segment.rows * (output.width + 2) - 2;
}

/// Pixels of a segment, from one of its first row on.
struct Block {
  int picture = 0, y = 0;
  int first = 0;
  int pixels = 0;
};

}  // namespace

/// Blocks that are summed together, one or two.
struct BlockConvolution::Pair {
  std::array<Block, 2> blocks;
  std::size_t count = 0;
};

BlockConvolution::BlockConvolution(const Kernels& kernels, const Step& step,
                                   const ConvolutionQuantizers& quantizers, const Packing& packing)
    : BlockConvolution(kernels, step, quantizers, scale_weights(kernels.weights, step.weight), packing) {}

BlockConvolution::BlockConvolution(const Kernels& kernels, const Step& step,
                                   const ConvolutionQuantizers& quantizers, const ScaledWeights& weights,
                                   const Packing& packing)
    : kernels_(kernels),
      out_channels_(static_cast<int>(step.weight.size(0))),
      stride_(step.stride),
      weights_(kernels, weights.values, step.groups, block_order, packing),
      finisher_(step, weights.scale, quantizers, kernels.format) {
  for (int index = 0; index < weights_.parts(); ++index) total_lines_ += weights_.part(index).lines;
}

Activations BlockConvolution::output_of(const Activations& input) const {
  return convolved(input, out_channels_, stride_);
}

int BlockConvolution::blocks_of(const Activations& output, Range rows) const {
  int blocks = 0;
  while (rows.size() > 0)
    blocks += divide_up(pixels_of(output, take_segment(output, stride_, rows)), block_pixels);
  return blocks;
}

// The strips that take the least time, by a rough model; more where that costs little, so that threads can
// take over from each other.
void BlockConvolution::split(Call& call, int threads) const {
  call.parts = weights_.parts();
  const int most = std::min(call.output.rows(), 8 * threads * call.output.pictures);
  std::vector<double> cost(static_cast<std::size_t>(most) + 1, std::numeric_limits<double>::max());
  for (int strips = 1; strips <= most; ++strips)
    cost[static_cast<std::size_t>(strips)] = cycles(call, strips, threads);
  const double least = *std::min_element(cost.begin(), cost.end());
  call.strips = 0;
  for (int strips = 1; strips <= most; ++strips) {
    if (call.strips > 0 && strips * call.parts > 4 * threads) break;
    if (cost[static_cast<std::size_t>(strips)] <= 1.03 * least) call.strips = strips;
  }
}

// Of the thread that has most to do: for its sums, and for what is not in its own caches. That are weights,
// as those of all layers do not fit, and activations that another thread has made. The constants are of an
// Intel Xeon with AMX; what matters is which of two ways reads less.
double BlockConvolution::cycles(const Call& call, int strips, int threads) const {
  constexpr double far_bytes = 7;         // a cycle
  constexpr double near_cache = 1 << 20;  // bytes
  constexpr double block_step = 2 * 16 / 0.8, block_finish = 150;
  const double parts = call.parts,
               products = kernels_.format == Format::bf16_pair ? 1.5 : 1;  // for each line
  const double steps = products * total_lines_ / parts * weights_.size() * weights_.size();
  const int blocks = blocks_of(call.output, part_of(call.output.rows(), strips - 1, strips));
  const double units = divide_up(strips * call.parts, threads);
  constexpr int panels = output_group / block_outputs;
  const double compute = units * blocks * panels * (steps * block_step + block_finish);
  const double weights = static_cast<double>(total_lines_ * weights_.line_weights(output_group));
  const double input = static_cast<double>(call.input.bytes());
  double far = 0;
  if (strips % threads == 0) {
    const int each = strips / threads;
    far = weights < near_cache ? weights : weights * each;
  } else {
    const double taken = std::min(1.0, units / parts), passes = std::ceil(units / parts);
    far = weights * taken * passes + input * passes / strips * (threads - 1) / threads;
  }
  if (input / strips > near_cache) far += input / strips * panels * units;
  return compute + far / far_bytes;
}

std::size_t BlockConvolution::scratch_bytes(const Call& /*call*/) const {
  return std::size_t{2} * block_pixels * block_outputs * 4;
}

void BlockConvolution::run(const Call& call, int unit, std::byte* scratch) const noexcept {
  const int index = unit % call.parts;
  const PackedWeights::Part& part = weights_.part(index);
  const Range rows = part_of(call.output.rows(), unit / call.parts, call.strips);
  Panel panel;
  panel.blocks.pixel_stride = stride_ * line_size;
  panel.blocks.lines = part.lines;
  panel.blocks.line_stride = call.input.line_stride();
  panel.blocks.rows = panel.blocks.columns = weights_.size();
  panel.blocks.row_stride = call.input.row_stride();
  panel.blocks.weights = part.weights;
  panel.first_line = part.first_line;
  kernels_.blocks->begin();
  for (int first = 0; first < output_group; first += block_outputs) {
    panel.channel = index * output_group + first;
    run_panel(call, rows, panel, scratch);
    panel.blocks.weights += part.lines * weights_.line_weights(block_outputs);
  }
  kernels_.blocks->end();
  for (int row = rows.begin; row < rows.end; ++row)
    clear_ends(call.output, index, row / call.output.height, row % call.output.height);
}

// Sums the blocks of so many rows, two together.
void BlockConvolution::run_panel(const Call& call, Range rows, Panel& panel, std::byte* sums) const {
  const int padding = weights_.size() / 2;
  Pair pair;
  while (rows.size() > 0) {
    const Segment segment = take_segment(call.output, stride_, rows);
    const int pixels = pixels_of(call.output, segment);
    const std::byte* input =
        call.input.pixel(segment.picture, panel.first_line, segment.y * stride_ - padding, -padding);
    for (int first = 0; first < pixels; first += block_pixels) {
      // One by one: a copy of what has just been stored in parts would wait for the tiles' stores before it.
      panel.blocks.input[pair.count] = input + first * panel.blocks.pixel_stride;
      Block& block = pair.blocks[pair.count++];
      block.picture = segment.picture;
      block.y = segment.y;
      block.first = first;
      block.pixels = std::min(block_pixels, pixels - first);
      if (pair.count < pair.blocks.size()) continue;
      convolve(call, pair, panel, sums);
      pair.count = 0;
    }
  }
  if (pair.count > 0) convolve(call, pair, panel, sums);
}

// The sums of one or two blocks, and what becomes of them.
void BlockConvolution::convolve(const Call& call, const Pair& pair, const Panel& panel,
                                std::byte* sums) const {
  kernels_.blocks->sum[pair.count - 1](panel.blocks, sums);
  for (std::size_t i = 0; i < pair.count; ++i, sums += block_pixels * block_outputs * 4) {
    const Block& block = pair.blocks[i];
    kernels_.finish_block(finisher_.at(call, panel.channel, block.picture, block.y, block.first), sums,
                          block.pixels);
  }
}

}  // namespace resnet::cpu
