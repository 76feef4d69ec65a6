#include "model/cpu/stem.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/quantization.h"

namespace resnet::cpu {

namespace {

constexpr int taps = 7, padding = 3, colours = 3;
constexpr int corners = taps + 1;
constexpr std::ptrdiff_t pixel_sums = output_group * 4;  // bytes

int halved(int size) { return (size - 1) / 2 + 1; }

// What becomes of a weight in the kernels' type.
float rounded(WeightType type, float weight) {
  if (type == WeightType::bf16) return c10::BFloat16(weight);
  return type == WeightType::s8 ? static_cast<float>(std::lrint(weight)) : weight;
}

void write_number(Format format, float value, std::byte* to) {
  if (format == Format::fp32) {
    std::memcpy(to, &value, 4);
  } else if (format == Format::bf16) {
    const c10::BFloat16 half(value);
    std::memcpy(to, &half, 2);
  } else {
    *to = static_cast<std::byte>(std::clamp(std::lrint(value), 0L, 255L));
  }
}

}  // namespace

Stem::Stem(const Kernels& kernels, const Step& step, const Preprocessing& preprocessing,
           const Quantizer& output)
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
  pack(weights.values);
}

void Stem::pack(const at::Tensor& weight) {
  const int padded = padded_channels(out_channels_);
  const WeightType type = kernels_.weights;
  part_weights_ = std::ptrdiff_t{taps} * run_ * 4 * output_group;
  weights_ = allocate(static_cast<std::size_t>(padded / output_group * part_weights_));
  const float* from = weight.const_data_ptr<float>();
  const auto value = [&](int out, int colour, int y, int x) {
    if (out >= out_channels_) return 0.0F;
    return from[((std::ptrdiff_t{out} * colours + colour) * taps + y) * taps + x];
  };
  std::byte* to = weights_.get();
  for (int panel = 0; panel < padded; panel += order_.panel) {
    for (int y = 0; y < taps; ++y) {
      for (int tile = panel; tile < panel + order_.panel; tile += order_.tile) {
        to = write_weights(to, type, {tile, tile + order_.tile}, run_ * 4 / weight_bytes(type),
                           [&](int output, int k) {
                             return k < taps * colours ? value(output, k % colours, y, k / colours) : 0.0F;
                           });
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
          sum += double{rounded(type, value(out, c, y, x))} * mean_[static_cast<std::size_t>(c)];
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
  output.margin = kernels_.blocks != nullptr ? 1 : 0;
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

// Bytes from a widened row to the next.
std::ptrdiff_t Stem::widened_stride(int width) const {
  // The last groups of a row of taps reach beyond, and so do pixels that fill up a block.
  const int filled = kernels_.blocks == nullptr ? 0 : 2 * block_pixels;
  const std::ptrdiff_t bytes =
      (width + 2 * padding + filled) * colours * number_bytes_ + 4 * std::ptrdiff_t{run_};
  return (bytes + 63) / 64 * 64;
}

// Sums of a row, of whole blocks.
std::ptrdiff_t Stem::row_floats(int width) const {
  const int fill = kernels_.blocks == nullptr ? 1 : block_pixels;
  return std::ptrdiff_t{divide_up(halved(width), fill)} * fill * output_group;
}

Stem::Scratch Stem::lay_out(const Pixels& pixels, Range pooled, std::byte* scratch) const {
  Scratch s;
  const Range rows = source_rows(pixels.height, pooled);
  s.first = rows.begin;
  s.widened_stride = widened_stride(pixels.width);
  s.row_floats = row_floats(pixels.width);
  s.pooled = reinterpret_cast<float*>(scratch);
  s.rows = s.pooled + output_group;
  s.sums = reinterpret_cast<std::byte*>(s.rows + 3 * s.row_floats);
  s.widened = s.sums + s.row_floats * 4;
  return s;
}

std::size_t Stem::scratch_bytes(const Pixels& pixels, int units) const {
  const int strips = units / pixels.pictures, height = halved(halved(pixels.height));
  // The rows of the longest strip, wherever it lies.
  const int pooled = divide_up(height, strips);
  const std::ptrdiff_t rows = std::min(pixels.height, 4 * pooled + 2 * padding + 1);
  // A pooled pixel, the sums of a row, three rows.
  return static_cast<std::size_t>((output_group + 4 * row_floats(pixels.width)) * 4 +
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
  const int height = halved(pixels.height);
  for (int part = 0; part < padded_channels(out_channels_) / output_group; ++part) {
    int next = std::max(0, 2 * pooled.begin - 1);
    for (int y = pooled.begin; y < pooled.end; ++y) {
      for (; next < std::min(height, 2 * y + 2); ++next) {
        convolve(pixels, part, next, s);
        activate(pixels, part, next, s);
      }
      pool(output, height, halved(pixels.width), picture, part, y, s);
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
  std::byte* first = to + padding * colours * number_bytes_;
  std::memset(to, 0, static_cast<std::size_t>(padding * colours * number_bytes_));
  std::byte* last = first + count * number_bytes_;
  std::memset(last, 0, static_cast<std::size_t>(to + widened_stride(pixels.width) - last));
  if (pixels.bytes == nullptr) {
    const float* from = pixels.floats + start;
    for (int i = 0; i < count; ++i) {
      const auto c = static_cast<std::size_t>(i % colours);
      write_number(kernels_.format, from[i] * std_[c] + mean_[c], first + i * number_bytes_);
    }
    return;
  }
  const std::uint8_t* from = pixels.bytes + start;
  if (kernels_.format == Format::fp32) {
    auto* numbers = reinterpret_cast<float*>(first);
    for (int i = 0; i < count; ++i) numbers[i] = from[i];
  } else if (kernels_.format == Format::bf16) {
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

void Stem::convolve(const Pixels& pixels, int part, int y, const Scratch& scratch) const {
  const Window down = window(y, pixels.height);
  const std::byte* row =
      scratch.widened + (2 * y - padding + down.begin - scratch.first) * scratch.widened_stride;
  const std::ptrdiff_t tap_weights = std::ptrdiff_t{run_} * 4 * order_.panel;  // of a row of taps
  const std::byte* weights = weights_.get() + part * part_weights_ + down.begin * tap_weights;
  if (kernels_.blocks != nullptr) {
    for (int output = 0; output < output_group; output += order_.panel, weights += taps * tap_weights)
      sum_blocks(row, scratch.widened_stride, down.size(), weights, halved(pixels.width),
                 scratch.sums + output * 4);
  } else {
    sum_tiles(row, scratch.widened_stride, down.size(), weights, halved(pixels.width), scratch.sums);
  }
}

// The sums of a row, of taps in so many rows of pixels.
void Stem::sum_tiles(const std::byte* row, std::ptrdiff_t row_stride, int rows, const std::byte* weights,
                     int width, std::byte* sums) const {
  Tile tile;
  tile.lines = 1;
  tile.row_stride = row_stride;
  tile.rows = rows;
  tile.run = run_;
  tile.weights = weights;
  const int tiles = divide_up(width, max_tile);
  for (int i = 0; i < tiles; ++i) {
    const Range range = part_of(width, i, tiles);
    tile.input = row + range.begin * 2 * colours * number_bytes_;
    kernels_.stem[range.size() - 1](tile, sums + range.begin * pixel_sums, false);
  }
}

void Stem::sum_blocks(const std::byte* row, std::ptrdiff_t row_stride, int rows, const std::byte* weights,
                      int width, std::byte* sums) const {
  const std::ptrdiff_t block_bytes = block_pixels * 2 * colours * number_bytes_;
  Blocks blocks;
  blocks.lines = blocks.columns = 1;
  blocks.row_stride = row_stride;
  blocks.rows = rows;
  blocks.weights = weights;
  for (int left = divide_up(width, block_pixels); left > 0; left -= 2) {
    blocks.input = {row, row + block_bytes};
    kernels_.blocks->stem[std::min(left, 2) - 1](blocks, sums);
    row += 2 * block_bytes;
    sums += 2 * block_pixels * pixel_sums;
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

void Stem::activate(const Pixels& pixels, int part, int y, const Scratch& scratch) const {
  const Window down = window(y, pixels.height);
  const int width = halved(pixels.width);
  const float* scale = &factors_.scale[static_cast<std::size_t>(part * output_group)];
  float biases[output_group];
  for (int x = 0, end = 0; x < width; x = end) {
    const Window across = window(x, pixels.width);
    end = x + 1;
    if (across.size() == taps) {  // so is what follows, up to the right border
      while (end < width && window(end, pixels.width).size() == taps) ++end;
    }
    bias(part, down, across, biases);
    kernels_.activate(scratch.sums + x * pixel_sums, end - x, scale, biases,
                      row_at(scratch, y) + std::ptrdiff_t{x} * output_group);
  }
}

void Stem::pool(const Activations& output, int height, int width, int picture, int part, int y,
                const Scratch& scratch) const {
  static constexpr auto ones = [] {
    std::array<float, output_group> values{};
    values.fill(1.0F);
    return values;
  }();
  static constexpr std::array<float, output_group> zeros{};
  Finish finish;
  finish.scale = ones.data();
  finish.bias = zeros.data();
  finish.line_stride = output.line_stride();
  const int line = part * output_group / line_channels(output.format);
  for (int x = 0; x < output.width; ++x) {
    const float* pixels[9];
    int count = 0;
    for (int row = std::max(0, 2 * y - 1); row < std::min(height, 2 * y + 2); ++row) {
      for (int column = std::max(0, 2 * x - 1); column < std::min(width, 2 * x + 2); ++column)
        pixels[count++] = row_at(scratch, row) + std::ptrdiff_t{column} * output_group;
    }
    kernels_.maximum(pixels, count, scratch.pooled);
    finish.output = output.pixel(picture, line, y, x);
    kernels_.finish(finish, scratch.pooled, 1);
  }
}

}  // namespace resnet::cpu
