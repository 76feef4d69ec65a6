#include "model/cpu/stem.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/quantization.h"

namespace resnet::cpu {

namespace {

constexpr int taps = 7, padding = 3, colours = 3;
constexpr int corners = taps + 1;
constexpr int borders = 5;  // kinds of windows in one dimension
constexpr std::ptrdiff_t bias_bytes = borders * borders * output_group * 4;

int halved(int size) { return (size - 1) / 2 + 1; }

// What becomes of a weight in the kernels' type.
double rounded(const Kernels& kernels, float weight) {
  if (kernels.weights == WeightType::s8) return static_cast<double>(std::lrint(weight));
  if (kernels.weights != WeightType::bf16) return double{weight};
  double sum = 0;
  for (int term = 0; term < terms(kernels.format); ++term)
    sum += double{c10::BFloat16(term_of(weight, term))};
  return sum;
}

void write_number(WeightType type, float value, std::byte* to) {
  if (type == WeightType::s8) {
    *to = static_cast<std::byte>(std::clamp(std::lrint(value), 0L, 255L));
  } else {
    write_weight(to, type, value);
  }
}

}  // namespace

Stem::Stem(const Kernels& kernels, const Step& step, const Preprocessing& preprocessing,
           const Quantizer& output, Memory& memory)
    : kernels_(kernels),
      out_channels_(static_cast<int>(step.weight.size(0))),
      mean_(preprocessing.mean),
      std_(preprocessing.std),
      number_bytes_(weight_bytes(kernels.weights)),
      order_(kernels.blocks == nullptr ? WeightOrder{} : block_order),
      run_(kernels.blocks == nullptr ? divide_up(taps * colours * weight_bytes(kernels.weights), 4)
                                     : static_cast<int>(line_bytes) / 4) {
  for (float& mean : mean_) mean *= 255.0F;
  for (float& std : std_) std *= 255.0F;
  const ScaledWeights weights = scale_weights(kernels.weights, fold_pixels(step.weight, preprocessing));
  factors_ = channel_factors(weights.scale, step.bias, 1.0F, output);
  pack(weights.values, memory);
}

void Stem::pack(const at::Tensor& weight, Memory& memory) {
  const int padded = padded_channels(out_channels_);
  const WeightType type = kernels_.weights;
  const int together = terms(kernels_.format);
  part_weights_ = std::ptrdiff_t{taps} * together * run_ * 4 * output_group;
  weights_ = memory.take(static_cast<std::size_t>(padded / output_group * part_weights_));
  const float* from = weight.const_data_ptr<float>();
  const auto value = [&](int out, int colour, int y, int x) {
    if (out >= out_channels_) return 0.0F;
    return from[((std::ptrdiff_t{out} * colours + colour) * taps + y) * taps + x];
  };
  std::byte* to = weights_;
  for (int panel = 0; panel < padded; panel += order_.panel) {
    for (int y = 0; y < taps; ++y) {
      for (int term = 0; term < together; ++term) {
        for (int tile = panel; tile < panel + order_.panel; tile += order_.tile) {
          const Range outputs{tile, tile + order_.tile};
          to = write_weights(to, type, outputs, run_ * 4 / weight_bytes(type), [&](int output, int k) {
            return k < taps * colours ? term_of(value(output, k % colours, y, k / colours), term) : 0.0F;
          });
        }
      }
    }
  }
  std::vector<double> sums(static_cast<std::size_t>(corners * corners * padded), 0.0);
  const auto at = [padded](int y, int x, int out) {
    return static_cast<std::size_t>((y * corners + x) * padded + out);
  };
  for (int out = 0; out < out_channels_; ++out) {
    for (int y = 0; y < taps; ++y) {
      for (int x = 0; x < taps; ++x) {
        double sum = sums[at(y, x + 1, out)] + sums[at(y + 1, x, out)] - sums[at(y, x, out)];
        for (int c = 0; c < colours; ++c)
          sum += rounded(kernels_, value(out, c, y, x)) * mean_[static_cast<std::size_t>(c)];
        sums[at(y + 1, x + 1, out)] = sum;
      }
    }
  }
  mean_sums_.resize(sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i)
    mean_sums_[i] = static_cast<float>(sums[i] * factors_.scale[i % static_cast<std::size_t>(padded)]);
}

Activations Stem::output_of(const Pixels& pixels) const {
  Activations output;
  output.format = kernels_.format;
  output.pictures = pixels.pictures;
  output.channels = out_channels_;
  output.height = halved(halved(pixels.height));
  output.width = halved(halved(pixels.width));
  output.margin = margin_of(kernels_);
  return output;
}

int Stem::units(const Pixels& pixels, int threads) const {
  const int strips = divide_up(4 * threads, pixels.pictures);
  return pixels.pictures * std::clamp(strips, 1, halved(halved(pixels.height)));
}

// The taps of output `position` that lie inside a picture of that size.
Stem::Window Stem::window(int position, int size) const {
  const int first = 2 * position - padding;
  return {std::max(0, -first), std::min(taps, size - first)};
}

// The picture's rows that some pooled rows are made of.
Range Stem::source_rows(int height, Range pooled) const {
  return {std::max(0, 2 * (2 * pooled.begin - 1) - padding),
          std::min(height, 2 * (2 * (pooled.end - 1) + 1) + padding + 1)};
}

// Bytes of a term of a widened row.
std::ptrdiff_t Stem::widened_bytes(int width) const {
  // The last groups of a row of taps reach beyond, and so do pixels that fill up a block.
  const int read = std::max(width, 2 * (columns(width) - 1) + 1) + 2 * padding;
  const std::ptrdiff_t bytes = read * colours * number_bytes_ + 4 * std::ptrdiff_t{run_};
  return (bytes + 63) / 64 * 64;
}

// Bytes from a widened row to the next.
std::ptrdiff_t Stem::widened_stride(int width) const { return terms(kernels_.format) * widened_bytes(width); }

// Of the convolution, in whole blocks.
int Stem::columns(int width) const {
  const int fill = kernels_.blocks == nullptr ? 1 : block_pixels;
  return divide_up(halved(width), fill) * fill;
}

// Bytes of a row of sums.
std::ptrdiff_t Stem::row_bytes(int width) const { return std::ptrdiff_t{columns(width)} * output_group * 4; }

Stem::Scratch Stem::lay_out(const Pixels& pixels, Range pooled, std::byte* scratch) const {
  Scratch s;
  const Range rows = source_rows(pixels.height, pooled);
  s.first = rows.begin;
  s.widened_stride = widened_stride(pixels.width);
  s.row_bytes = row_bytes(pixels.width);
  s.biases = reinterpret_cast<float*>(scratch);
  s.rows = scratch + bias_bytes;
  s.widened = s.rows + 3 * s.row_bytes;
  return s;
}

std::size_t Stem::scratch_bytes(const Pixels& pixels, int units) const {
  const int strips = units / pixels.pictures, height = halved(halved(pixels.height));
  // The rows of the longest strip, wherever it lies.
  const int pooled = divide_up(height, strips);
  const std::ptrdiff_t rows = std::min(pixels.height, 4 * pooled + 2 * padding + 1);
  return static_cast<std::size_t>(bias_bytes + 3 * row_bytes(pixels.width) +
                                  rows * widened_stride(pixels.width));
}

void Stem::run(const Pixels& pixels, const Activations& output, int unit, int units,
               std::byte* scratch) const noexcept {
  const int strips = units / pixels.pictures, picture = unit / strips;
  const Range pooled = part_of(output.height, unit % strips, strips);
  const Range rows = source_rows(pixels.height, pooled);
  const Scratch s = lay_out(pixels, pooled, scratch);
  for (int y = rows.begin; y < rows.end; ++y)
    widen(pixels, picture, y, s.widened + (y - rows.begin) * s.widened_stride);
  if (kernels_.blocks != nullptr) kernels_.blocks->begin();
  for (int part = 0; part < padded_channels(out_channels_) / output_group; ++part) {
    find_biases(pixels, part, s.biases);
    int next = std::max(0, 2 * pooled.begin - 1);
    for (int y = pooled.begin; y < pooled.end; ++y) {
      for (; next < std::min(halved(pixels.height), 2 * y + 2); ++next) {
        if (kernels_.blocks == nullptr) {
          sum_tiles(pixels, part, next, s);
        } else {
          sum_blocks(pixels, part, next, s);
        }
      }
      for (int first = 0; first < output_group; first += block_outputs)
        pool(pixels, output, picture, part * output_group + first, y, s);
      clear_ends(output, part, picture, y);
    }
  }
  if (kernels_.blocks != nullptr) kernels_.blocks->end();
}

// A row of pixels 0…255 in the kernels' type, between zeros; so is what lies behind it, which may be
// multiplied with 0.
void Stem::widen(const Pixels& pixels, int picture, int y, std::byte* to) const {
  const int count = pixels.width * colours;
  const std::ptrdiff_t start = (static_cast<std::ptrdiff_t>(picture) * pixels.height + y) * count;
  for (int term = 0; term < terms(kernels_.format); ++term, to += widened_bytes(pixels.width)) {
    std::byte* first = to + padding * colours * number_bytes_;
    std::memset(to, 0, static_cast<std::size_t>(padding * colours * number_bytes_));
    std::byte* last = first + count * number_bytes_;
    std::memset(last, 0, static_cast<std::size_t>(to + widened_bytes(pixels.width) - last));
    if (pixels.bytes == nullptr) {
      const float* from = pixels.floats + start;
      for (int i = 0; i < count; ++i) {
        const auto c = static_cast<std::size_t>(i % colours);
        const float value = from[i] * std_[c] + mean_[c];
        write_number(kernels_.weights, term_of(value, term), first + i * number_bytes_);
      }
    } else if (term == 0) {
      widen_bytes(pixels.bytes + start, count, first);
    } else {
      std::memset(first, 0, static_cast<std::size_t>(count * number_bytes_));
    }
  }
}

void Stem::widen_bytes(const std::uint8_t* from, int count, std::byte* first) const {
  if (kernels_.weights == WeightType::fp32) {
    auto* numbers = reinterpret_cast<float*>(first);
    for (int i = 0; i < count; ++i) numbers[i] = from[i];
  } else if (kernels_.weights == WeightType::bf16) {
    auto* numbers = reinterpret_cast<std::uint16_t*>(first);
    for (int i = 0; i < count; ++i) {  // exact: 8 bits fit
      const auto value = static_cast<float>(from[i]);
      std::uint32_t bits = 0;
      std::memcpy(&bits, &value, 4);
      numbers[i] = static_cast<std::uint16_t>(bits >> 16);
    }
  } else {
    std::memcpy(first, from, static_cast<std::size_t>(count));
  }
}

// The sums of a row, [width][64].
void Stem::sum_tiles(const Pixels& pixels, int part, int y, const Scratch& scratch) const {
  const Window down = window(y, pixels.height);
  Tile tile;
  tile.lines = 1;
  tile.row_stride = scratch.widened_stride;
  tile.rows = down.size();
  tile.run = run_;
  tile.weights = weights_ + part * part_weights_ + std::ptrdiff_t{down.begin} * run_ * 4 * output_group;
  const std::byte* row =
      scratch.widened + (2 * y - padding + down.begin - scratch.first) * scratch.widened_stride;
  const int width = halved(pixels.width), tiles = tiles_for(kernels_, width);
  for (int i = 0; i < tiles; ++i) {
    const Range range = part_of(width, i, tiles);
    tile.input = row + range.begin * 2 * colours * number_bytes_;
    kernels_.stem[range.size() - 1](tile, row_at(scratch, y) + range.begin * output_group * 4, false);
  }
}

// The sums of a row, [2][columns][32].
void Stem::sum_blocks(const Pixels& pixels, int part, int y, const Scratch& scratch) const {
  const Window down = window(y, pixels.height);
  Blocks blocks;
  blocks.pixel_stride = 2 * colours * number_bytes_;
  blocks.lines = terms(kernels_.format);
  blocks.line_stride = widened_bytes(pixels.width);
  blocks.columns = 1;
  blocks.row_stride = scratch.widened_stride;
  blocks.rows = down.size();
  const std::byte* row =
      scratch.widened + (2 * y - padding + down.begin - scratch.first) * scratch.widened_stride;
  const std::ptrdiff_t panel_weights = part_weights_ / 2;
  const std::byte* weights = weights_ + part * part_weights_ + down.begin * (panel_weights / taps);
  const int count = columns(pixels.width) / block_pixels;
  constexpr std::ptrdiff_t block_sums = block_pixels * block_outputs * 4;  // bytes
  std::byte* sums = row_at(scratch, y);
  for (int panel = 0; panel < output_group; panel += block_outputs) {
    blocks.weights = weights;
    for (int i = 0; i < count; i += 2) {
      const std::byte* first = row + i * block_pixels * blocks.pixel_stride;
      blocks.input[0] = first;
      blocks.input[1] = first + block_pixels * blocks.pixel_stride;
      kernels_.blocks->sum[std::min(count - i, 2) - 1](blocks, sums + i * block_sums);
    }
    weights += panel_weights;
    sums += count * block_sums;
  }
}

// What to add to the sums of windows that lie so in the picture.
void Stem::bias(int part, Window down, Window across, float* to) const {
  const auto padded = static_cast<std::size_t>(padded_channels(out_channels_));
  const auto first = static_cast<std::size_t>(part * output_group);
  const auto corner = [&](int y, int x) {
    return &mean_sums_[static_cast<std::size_t>(y * corners + x) * padded + first];
  };
  const float *a = corner(down.end, across.end), *b = corner(down.begin, across.end);
  const float *c = corner(down.end, across.begin), *d = corner(down.begin, across.begin);
  for (std::size_t i = 0; i < output_group; ++i)
    to[i] = factors_.bias[first + i] - (a[i] - b[i] - c[i] + d[i]);
}

// Windows at the borders: of the first two positions, of those between, of the last and of the last but one.
int Stem::border(int position, int size) const {
  const Window taken = window(position, size);
  if (taken.begin > 0) return position;
  return taken.end == taps ? 2 : 2 + halved(size) - position;
}

// What to add to the sums of each kind of window, [5][5][64].
void Stem::find_biases(const Pixels& pixels, int part, float* biases) const {
  const auto windows = [&](int size) {
    const int last = halved(size) - 1;
    return std::array{window(0, size), window(std::min(1, last), size), Window{0, taps}, window(last, size),
                      window(std::max(0, last - 1), size)};
  };
  for (const Window& down : windows(pixels.height)) {
    for (const Window& across : windows(pixels.width)) {
      bias(part, down, across, biases);
      biases += output_group;
    }
  }
}

// 32 channels of a row.
void Stem::pool(const Pixels& pixels, const Activations& output, int picture, int channel, int y,
                const Scratch& scratch) const {
  const int height = halved(pixels.height), width = halved(pixels.width);
  const Range rows{std::max(0, 2 * y - 1), std::min(height, 2 * y + 2)};
  const auto window_of = [width](int x) { return Range{std::max(0, 2 * x - 1), std::min(width, 2 * x + 2)}; };
  const auto inside = [&](Range range, int size) {
    return range.size() == 3 && border(range.begin, size) == 2 && border(range.end - 1, size) == 2;
  };
  const auto bias_at = [&](int row, int column) {
    const int kind = border(row, pixels.height) * borders + border(column, pixels.width);
    return scratch.biases + kind * output_group + channel % output_group;
  };
  const std::ptrdiff_t pixel_sums = order_.panel * 4;
  const std::ptrdiff_t first_sums =
      channel % output_group * (kernels_.blocks == nullptr ? 4 : std::ptrdiff_t{4} * columns(pixels.width));
  Finish finish;
  finish.scale = &factors_.scale[static_cast<std::size_t>(channel)];
  finish.bias = scratch.biases + (2 * borders + 2) * output_group + channel % output_group;
  finish.line_stride = output.line_stride();
  for (int x = 0, end = 0; x < output.width; x = end) {
    end = x + 1;
    const bool run = inside(window_of(x), pixels.width);
    while (run && end < output.width && inside(window_of(end), pixels.width)) ++end;
    Pool pool;
    pool.stride = 2 * pixel_sums;
    for (int row = rows.begin; row < rows.end; ++row) {
      for (int column = window_of(x).begin; column < window_of(x).end; ++column) {
        const auto i = static_cast<std::size_t>(pool.count++);
        pool.sums[i] = row_at(scratch, row) + first_sums + column * pixel_sums;
        if (!run || !inside(rows, pixels.height)) pool.biases[i] = bias_at(row, column);
      }
    }
    finish.output = output.channel(picture, channel, y, x);
    kernels_.pool(pool, finish, end - x);
  }
}

}  // namespace resnet::cpu
