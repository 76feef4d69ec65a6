#include "model/cpu/kernels_template.h"

namespace resnet::cpu {
namespace {

struct Bf16Product : FloatProduct<Avx512> {
  static void add(Vector& sum, Vector pixel, Vector weight) {
    sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(pixel), reinterpret_cast<__m512bh>(weight));
  }
};

__m512 widen(const std::byte* from) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// A line of 32 channels each 32 of the 64 outputs.
struct Bf16Storage {
  static std::ptrdiff_t place(std::ptrdiff_t line_stride, int output) {
    return output / 32 * line_stride + output % 32 * 2;
  }
  static __m512 load(const std::byte* from, std::ptrdiff_t line_stride, int output) {
    return widen(from + place(line_stride, output));
  }
  static void store(std::byte* to, std::ptrdiff_t line_stride, int output, __m512 values) {
    const __m256bh halves = _mm512_cvtneps_pbh(values);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + place(line_stride, output)),
                        reinterpret_cast<__m256i>(halves));
  }
};

// Winograd's components are fp32: their rounding to bf16 would be amplified.
void transform(const std::byte* pixels, std::ptrdiff_t row_stride, std::byte* to,
               std::ptrdiff_t component_stride, std::ptrdiff_t line_stride) {
  for (int half = 0; half < 2; ++half) {
    const auto load = [=](int y, int x) { return widen(pixels + y * row_stride + x * 64 + half * 32); };
    transform_floats<Avx512>(load, to + half * line_stride, component_stride);
  }
}

}  // namespace

Kernels make_avx512_bf16_kernels() {
  Kernels kernels = make_kernels<Avx512, Bf16Storage, Bf16Product, WeightType::bf16, FloatProduct<Avx512>,
                                 WeightType::fp32, false>(Format::bf16);
  kernels.winograd_transform = transform;
  return kernels;
}

}  // namespace resnet::cpu
