#include "emulated_blocks.h"

#include <cstring>

#include <c10/util/BFloat16.h>
#include <gtest/gtest.h>

namespace resnet::cpu {
namespace {

thread_local bool begun = false;

void begin() {
  EXPECT_FALSE(begun);
  begun = true;
}

void end() {
  EXPECT_TRUE(begun);
  begun = false;
}

template <typename Number>
Number number_at(const std::byte* bytes, int index) {
  Number number;
  std::memcpy(&number, bytes + index * static_cast<int>(sizeof(Number)), sizeof number);
  return number;
}

// Of a line of a pixel's channels by a line of weights, [16 groups][16 outputs][4 bytes].
template <typename Pixel, typename Weight, typename Sum>
Sum multiply(const std::byte* pixel, const std::byte* weights, int output) {
  constexpr int in_group = 4 / static_cast<int>(sizeof(Pixel));
  Sum sum = 0;
  for (int group = 0; group < 16; ++group) {
    for (int i = 0; i < in_group; ++i)
      sum += static_cast<Sum>(number_at<Pixel>(pixel, group * in_group + i)) *
             static_cast<Sum>(number_at<Weight>(weights, (group * 16 + output) * in_group + i));
  }
  return sum;
}

// Of a line of pixels by a line of weights.
template <typename Pixel, typename Weight, typename SumType>
struct Plain {
  using Sum = SumType;
  static constexpr int terms = 1;
  static Sum product(const std::byte* pixel, std::ptrdiff_t, const std::byte* weights, int output) {
    return multiply<Pixel, Weight, Sum>(pixel, weights, output);
  }
};

// Of sums of two terms each, but for the product of the low ones.
struct Pairs {
  using Sum = float;
  static constexpr int terms = 2;
  static Sum product(const std::byte* high, std::ptrdiff_t line_stride, const std::byte* weights,
                     int output) {
    const auto by = [&](const std::byte* pixel, int term) {
      return multiply<c10::BFloat16, c10::BFloat16, float>(pixel, weights + term * 2048, output);
    };
    return by(high + line_stride, 0) + by(high, 0) + by(high, 1);
  }
};

template <class Lines, int count>
void sum_blocks(const Blocks& blocks, void* sums) {
  EXPECT_TRUE(begun);
  auto* to = static_cast<std::byte*>(sums);
  for (int p = 0; p < count * block_pixels; ++p) {
    const std::byte* first =
        blocks.input[static_cast<std::size_t>(p / block_pixels)] + p % block_pixels * blocks.pixel_stride;
    for (int output = 0; output < block_outputs; ++output) {
      typename Lines::Sum sum = 0;
      const std::byte* weights = blocks.weights + output / 16 * 1024;
      for (int l = 0; l < blocks.lines; l += Lines::terms) {
        for (int r = 0; r < blocks.rows; ++r) {
          for (int c = 0; c < blocks.columns; ++c, weights += Lines::terms * 2048)
            sum += Lines::product(first + l * blocks.line_stride + r * blocks.row_stride + c * 64,
                                  blocks.line_stride, weights, output % 16);
        }
      }
      std::memcpy(to + (p * block_outputs + output) * 4, &sum, 4);
    }
  }
}

// A set with such blocks in place of its own.
template <class Lines>
const Kernels* with_blocks(const Kernels* kernels) {
  static constexpr BlockKernels blocks{begin, end, {sum_blocks<Lines, 1>, sum_blocks<Lines, 2>}};
  if (kernels == nullptr) return nullptr;
  static Kernels with = *kernels;
  with.blocks = &blocks;
  return &with;
}

}  // namespace

const Kernels* emulated_bf16_kernels() {
  return with_blocks<Plain<c10::BFloat16, c10::BFloat16, float>>(avx512_bf16_kernels());
}

const Kernels* emulated_pair_kernels() { return with_blocks<Pairs>(avx512_pair_kernels()); }

const Kernels* emulated_int8_kernels() {
  return with_blocks<Plain<std::uint8_t, std::int8_t, std::int32_t>>(avx512_vnni_kernels());
}

}  // namespace resnet::cpu
