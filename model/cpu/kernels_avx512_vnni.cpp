#include "model/cpu/kernels_template.h"

namespace resnet::cpu {
namespace {

// Products of u8 activations and s8 weights.
struct ByteProduct {
  using Simd = Avx512;
  using Vector = __m512i;
  static constexpr int bytes = 64;
  static constexpr int registers = Avx512::registers;
  static Vector zero() { return _mm512_setzero_si512(); }
  static Vector load(const std::byte* from) { return _mm512_loadu_si512(from); }
  static void store(std::byte* to, Vector vector) { _mm512_storeu_si512(to, vector); }
  static Vector broadcast(const std::byte* from) {
    int group = 0;
    __builtin_memcpy(&group, from, 4);
    return _mm512_set1_epi32(group);
  }
  static void add(Vector& sum, Vector pixel, Vector weight) { sum = _mm512_dpbusd_epi32(sum, pixel, weight); }
  static __m512 to_floats(Vector sums) { return _mm512_cvtepi32_ps(sums); }
};

// Products of 16-bit components and weights.
struct WordProduct : ByteProduct {
  static void add(Vector& sum, Vector pixel, Vector weight) { sum = _mm512_dpwssd_epi32(sum, pixel, weight); }
};

// One line of 64 channels; values ≥ 0.
struct ByteStorage {
  static __m512 load(const std::byte* from, std::ptrdiff_t /*line_stride*/, int output) {
    const __m128i whole = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + output));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(whole));
  }
  static void store(std::byte* to, std::ptrdiff_t /*line_stride*/, int output, __m512 values) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + output),
                     _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(values)));
  }
};

// transform_six of 16-bit numbers, which hold each component exactly: none exceeds 68 · 255.
struct Words {
  using Vector = __m512i;
  static RESNET_INLINE void transform_six(const Vector (&d)[6], Vector (&t)[6]) {
    const Vector a = _mm512_sub_epi16(d[4], four_times(d[2])), b = _mm512_sub_epi16(d[3], four_times(d[1]));
    const Vector c = _mm512_sub_epi16(d[4], d[2]), e = _mm512_slli_epi16(_mm512_sub_epi16(d[3], d[1]), 1);
    t[0] = _mm512_add_epi16(_mm512_sub_epi16(four_times(d[0]), five_times(d[2])), d[4]);
    t[1] = _mm512_add_epi16(a, b);
    t[2] = _mm512_sub_epi16(a, b);
    t[3] = _mm512_add_epi16(c, e);
    t[4] = _mm512_sub_epi16(c, e);
    t[5] = _mm512_add_epi16(_mm512_sub_epi16(four_times(d[1]), five_times(d[3])), d[5]);
  }

 private:
  static Vector four_times(Vector a) { return _mm512_slli_epi16(a, 2); }
  static Vector five_times(Vector a) { return _mm512_add_epi16(four_times(a), a); }
};

void transform(const std::byte* pixels, std::ptrdiff_t row_stride, std::byte* to,
               std::ptrdiff_t component_stride, std::ptrdiff_t line_stride) {
  for (int half = 0; half < 2; ++half) {
    __m512i rows[winograd_input][winograd_input];
#pragma GCC unroll 8
    for (int x = 0; x < winograd_input; ++x) {
      __m512i d[6], t[6];
#pragma GCC unroll 8
      for (int y = 0; y < winograd_input; ++y) {
        const std::byte* from = pixels + y * row_stride + x * 64 + half * 32;
        d[y] = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
      }
      Words::transform_six(d, t);
#pragma GCC unroll 8
      for (int y = 0; y < winograd_input; ++y) rows[y][x] = t[y];
    }
    std::byte* component = to + half * line_stride;
#pragma GCC unroll 8
    for (int y = 0; y < winograd_input; ++y) {
      __m512i t[6];
      Words::transform_six(rows[y], t);
#pragma GCC unroll 8
      for (int x = 0; x < winograd_input; ++x, component += component_stride)
        _mm512_storeu_si512(component, t[x]);
    }
  }
}

}  // namespace

Kernels make_avx512_vnni_kernels() {
  Kernels kernels =
      make_kernels<Avx512, ByteStorage, ByteProduct, WeightType::s8, WordProduct, WeightType::s16, true>(
          Format::u8);
  kernels.winograd_transform = transform;
  return kernels;
}

}  // namespace resnet::cpu
