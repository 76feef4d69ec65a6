#include "model/cpu/kernels_bytes_template.h"

namespace resnet::cpu {
namespace {

struct AvxIntegers {
  using Simd = Avx2;
  using Vector = __m256i;
  static Vector zero() { return _mm256_setzero_si256(); }
  static Vector all(int value) { return _mm256_set1_epi32(value); }
  static Vector load(const std::byte* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void store(std::byte* to, Vector vector) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), vector);
  }
  static Vector add_byte_products(Vector sum, Vector bytes, Vector weights) {
    return _mm256_dpbusd_avx_epi32(sum, bytes, weights);
  }
  static Vector add_word_products(Vector sum, Vector words, Vector weights) {
    return _mm256_dpwssd_avx_epi32(sum, words, weights);
  }
  static __m256 to_floats(Vector sums) { return _mm256_cvtepi32_ps(sums); }
  static __m256 load_bytes(const std::byte* from) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
  }
  static void store_bytes(std::byte* to, __m256 values) {
    // Numbers beyond those of 32 bits, too, and the second one of NaN and it.
    const __m256i numbers = _mm256_cvtps_epi32(_mm256_min_ps(values, _mm256_set1_ps(255.0F)));
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
  }
  static Vector load_words(const std::byte* from) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vector add_words(Vector a, Vector b) { return _mm256_add_epi16(a, b); }
  static Vector sub_words(Vector a, Vector b) { return _mm256_sub_epi16(a, b); }
  template <int bits>
  static Vector shift_words(Vector a) {
    return _mm256_slli_epi16(a, bits);
  }
};

}  // namespace

Kernels make_avx_vnni_kernels() { return make_byte_kernels<AvxIntegers>(); }

}  // namespace resnet::cpu
