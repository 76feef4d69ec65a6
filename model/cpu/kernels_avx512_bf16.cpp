#include "model/cpu/kernels_template.h"

namespace resnet::cpu {
namespace {

struct Bf16Product : FloatProduct<Avx512> {
  static void add(Vector& sum, Vector pixel, Vector weight) {
    sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(pixel), reinterpret_cast<__m512bh>(weight));
  }
};

__m512 widen(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
__m512 widen(const std::byte* from) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

// A line of 32 channels each 32 of the 64 outputs.
struct Bf16Storage {
  static constexpr bool quantized = false;
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

// Two lines of 32 channels each 32 of the 64 outputs: high terms, and what rounding took from them.
struct PairStorage {
  static constexpr bool quantized = false;
  static std::ptrdiff_t place(std::ptrdiff_t line_stride, int output) {
    return output / 32 * 2 * line_stride + output % 32 * 2;
  }
  static __m512 load(const std::byte* from, std::ptrdiff_t line_stride, int output) {
    const std::byte* high = from + place(line_stride, output);
    return _mm512_add_ps(widen(high), widen(high + line_stride));
  }
  static void store(std::byte* to, std::ptrdiff_t line_stride, int output, __m512 values) {
    to += place(line_stride, output);
    const auto high = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values));
    const __m256bh low = _mm512_cvtneps_pbh(_mm512_sub_ps(values, widen(high)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), high);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + line_stride), reinterpret_cast<__m256i>(low));
  }
};

// Winograd's components are fp32: their rounding to bf16 would be amplified.
void transform(const std::byte* pixels, std::ptrdiff_t row_stride, std::byte* to,
               std::ptrdiff_t component_stride, std::ptrdiff_t line_stride) {
  for (int half = 0; half < 2; ++half) {
    const auto load = [=](int y, int x) { return widen(pixels + y * row_stride + x * 64 + half * 32); };
    transform_floats<Winograd4<Avx512>>(load, to + half * line_stride, component_stride);
  }
}

}  // namespace

Kernels make_avx512_bf16_kernels() {
  Kernels kernels = make_kernels<Avx512, Bf16Storage, Bf16Product, WeightType::bf16, FloatProduct<Avx512>,
                                 WeightType::fp32, false>(Format::bf16);
  kernels.winograd4.inputs = transform;
  return kernels;
}

Kernels make_avx512_pair_kernels() {
  Kernels kernels;
  kernels.format = Format::bf16_pair;
  kernels.weights = WeightType::bf16;
  kernels.finish_block = finish_stored<Avx512, PairStorage, false, block_outputs>;
  kernels.pool = pool<Avx512, PairStorage, false>;
  return kernels;
}

}  // namespace resnet::cpu
