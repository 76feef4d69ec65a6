#include "model/cpu/kernels_bytes_template.h"

namespace resnet::cpu {
namespace {

struct Avx512Integers {
  using Simd = Avx512;
  using Vector = __m512i;
  static Vector zero() { return _mm512_setzero_si512(); }
  static Vector all(int value) { return _mm512_set1_epi32(value); }
  static Vector load(const std::byte* from) { return _mm512_loadu_si512(from); }
  static void store(std::byte* to, Vector vector) { _mm512_storeu_si512(to, vector); }
  static Vector add_byte_products(Vector sum, Vector bytes, Vector weights) {
    return _mm512_dpbusd_epi32(sum, bytes, weights);
  }
  static Vector add_word_products(Vector sum, Vector words, Vector weights) {
    return _mm512_dpwssd_epi32(sum, words, weights);
  }
  static __m512 to_floats(Vector sums) { return _mm512_cvtepi32_ps(sums); }
  static __m512 load_bytes(const std::byte* from) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
  }
  static void store_bytes(std::byte* to, __m512 values) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(values)));
  }
  static Vector load_words(const std::byte* from) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Vector add_words(Vector a, Vector b) { return _mm512_add_epi16(a, b); }
  static Vector sub_words(Vector a, Vector b) { return _mm512_sub_epi16(a, b); }
  template <int bits>
  static Vector shift_words(Vector a) {
    return _mm512_slli_epi16(a, bits);
  }
};

}  // namespace

Kernels make_avx512_vnni_kernels() { return make_byte_kernels<Avx512Integers>(); }

}  // namespace resnet::cpu
