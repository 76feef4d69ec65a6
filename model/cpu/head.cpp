#include "model/cpu/head.h"

#include <array>
#include <cstring>

#include <ATen/ops/empty.h>

namespace resnet::cpu {

namespace {

float* place(const Activations& rows, int picture, int channel) {
  constexpr int channels = line_channels(Format::fp32);
  return reinterpret_cast<float*>(rows.pixel(0, channel / channels, 0, picture)) + channel % channels;
}

// Adds a line of a pixel.
void add_line(Format format, const std::byte* line, float* sums) {
  if (format == Format::fp32) {
    const auto* values = reinterpret_cast<const float*>(line);
    for (int c = 0; c < line_channels(Format::fp32); ++c) sums[c] += values[c];
  } else if (format == Format::bf16 || format == Format::bf16_pair) {
    const auto* values = reinterpret_cast<const std::uint16_t*>(line);
    for (int c = 0; c < line_channels(Format::bf16); ++c) {
      const std::uint32_t bits = std::uint32_t{values[c]} << 16;
      float value = 0.0F;
      std::memcpy(&value, &bits, sizeof value);
      sums[c] += value;
    }
  } else {
    const auto* values = reinterpret_cast<const std::uint8_t*>(line);
    for (int c = 0; c < line_channels(Format::u8); ++c) sums[c] += static_cast<float>(values[c]);
  }
}

}  // namespace

Activations features_of(const Activations& last, int pictures) {
  Activations features;
  features.pictures = 1;
  features.channels = last.channels;
  features.height = 1;
  features.width = pictures;
  return features;
}

void average(const Activations& last, float scale, int picture, const Activations& features) {
  const float factor = scale / static_cast<float>(last.height * last.width);
  const int together = terms(last.format), channels = line_channels(last.format) * together;
  for (int line = 0; line < last.lines(); line += together) {
    std::array<float, line_channels(Format::u8)> sums{};
    for (int term = 0; term < together; ++term) {
      for (int y = 0; y < last.height; ++y) {
        const std::byte* pixel = last.pixel(picture, line + term, y, 0);
        for (int x = 0; x < last.width; ++x, pixel += line_bytes) add_line(last.format, pixel, sums.data());
      }
    }
    for (int c = 0; c < channels; ++c)
      *place(features, picture, line / together * channels + c) = sums[static_cast<std::size_t>(c)] * factor;
  }
}

at::Tensor to_tensor(const Activations& rows) {
  at::Tensor tensor = at::empty({rows.width, rows.channels}, at::kFloat);
  auto* to = tensor.mutable_data_ptr<float>();
  for (int picture = 0; picture < rows.width; ++picture) {
    for (int channel = 0; channel < rows.channels; ++channel) *to++ = *place(rows, picture, channel);
  }
  return tensor;
}

}  // namespace resnet::cpu
