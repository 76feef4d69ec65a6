#ifndef RESNET_MODEL_CPU_ACTIVATIONS_H
#define RESNET_MODEL_CPU_ACTIVATIONS_H

#include <cstddef>

#include "model/cpu/kernels.h"

namespace resnet::cpu {

/// Channels rounded up to what is computed together; those too many are 0.
constexpr int padded_channels(int channels) {
  return (channels + output_group - 1) / output_group * output_group;
}

/// How far behind activations reads may go whose results nobody looks at: 16 pixels at a stride of two.
constexpr std::size_t overrun_bytes = 16 * 2 * line_bytes;

/// Activations' margin for such kernels: blocks are read across rows.
inline int margin_of(const Kernels& kernels) { return kernels.blocks == nullptr ? 0 : 1; }

/// Activations of a batch in memory, [picture][line][row][column][64 bytes]. A row has a column of zeros at
/// both ends: a 3×3 convolution reads one pixel beyond.
struct Activations {
  std::byte* data = nullptr;
  Format format = Format::fp32;
  int pictures = 0;
  int channels = 0;
  int height = 0;
  int width = 0;
  int margin = 0;  ///< rows of zeros above and below each line's: margin_of()

  int lines() const { return padded_channels(channels) / line_channels(format); }
  int rows() const { return pictures * height; }
  int pixels() const { return rows() * width; }
  std::ptrdiff_t row_stride() const {
    return (static_cast<std::ptrdiff_t>(width) + 2) * static_cast<std::ptrdiff_t>(line_bytes);
  }
  std::ptrdiff_t line_stride() const { return (height + 2 * margin) * row_stride(); }
  std::size_t bytes() const { return static_cast<std::size_t>(pictures * lines() * line_stride()); }
  /// @param x −1…width
  /// @param y −margin…height − 1 + margin
  std::byte* pixel(int picture, int line, int y, int x) const {
    const std::ptrdiff_t lines_before = static_cast<std::ptrdiff_t>(picture) * lines() + line;
    const std::ptrdiff_t rows_before = static_cast<std::ptrdiff_t>(y) + margin;
    const std::ptrdiff_t pixels_before = static_cast<std::ptrdiff_t>(x) + 1;
    return data + (lines_before * line_stride() + rows_before * row_stride() +
                   pixels_before * static_cast<std::ptrdiff_t>(line_bytes));
  }
  /// @param c a channel, the first of those that are meant; of pairs, whose high term it is, a multiple of 32
  std::byte* channel(int picture, int c, int y, int x) const {
    const int in_line = line_channels(format);
    return pixel(picture, c / in_line, y, x) + c % in_line * (static_cast<int>(line_bytes) / in_line);
  }
};

}  // namespace resnet::cpu

#endif
