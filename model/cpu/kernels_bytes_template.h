#ifndef RESNET_MODEL_CPU_KERNELS_BYTES_TEMPLATE_H
#define RESNET_MODEL_CPU_KERNELS_BYTES_TEMPLATE_H

#include "model/cpu/kernels_template.h"

// Kernels of 8-bit activations. A set's file gives the instructions as a class `Integers`.
namespace resnet::cpu {
namespace {

// Products of u8 activations and s8 weights.
template <class Integers>
struct ByteProduct {
  using Simd = typename Integers::Simd;
  using Vector = typename Integers::Vector;
  static constexpr int bytes = Simd::width * 4;
  static constexpr int registers = Simd::registers;
  static Vector zero() { return Integers::zero(); }
  static Vector load(const std::byte* from) { return Integers::load(from); }
  static void store(std::byte* to, Vector vector) { Integers::store(to, vector); }
  static Vector broadcast(const std::byte* from) {
    int group = 0;
    __builtin_memcpy(&group, from, 4);
    return Integers::all(group);
  }
  static void add(Vector& sum, Vector pixel, Vector weight) {
    sum = Integers::add_byte_products(sum, pixel, weight);
  }
  static typename Simd::Vector to_floats(Vector sums) { return Integers::to_floats(sums); }
};

// Products of 16-bit components and weights.
template <class Integers>
struct WordProduct : ByteProduct<Integers> {
  using Vector = typename Integers::Vector;
  static void add(Vector& sum, Vector pixel, Vector weight) {
    sum = Integers::add_word_products(sum, pixel, weight);
  }
};

// One line of 64 channels; values ≥ 0.
template <class Integers>
struct ByteStorage {
  static constexpr bool quantized = true;
  using Floats = typename Integers::Simd::Vector;
  static Floats load(const std::byte* from, std::ptrdiff_t /*line_stride*/, int output) {
    return Integers::load_bytes(from + output);
  }
  static void store(std::byte* to, std::ptrdiff_t /*line_stride*/, int output, Floats values) {
    Integers::store_bytes(to + output, values);
  }
};

template <class Integers, class Vector = typename Integers::Vector>
RESNET_INLINE Vector four_times(Vector a) {
  return Integers::template shift_words<2>(a);
}
template <class Integers, class Vector = typename Integers::Vector>
RESNET_INLINE Vector five_times(Vector a) {
  return Integers::add_words(four_times<Integers>(a), a);
}

// Winograd4's Bᵀ of 16-bit numbers, which hold each component exactly: none exceeds 68 · 255.
template <class Integers, class Vector = typename Integers::Vector>
RESNET_INLINE void transform_words(const Vector (&d)[6], Vector (&t)[6]) {
  using I = Integers;
  const Vector a = I::sub_words(d[4], four_times<I>(d[2])), b = I::sub_words(d[3], four_times<I>(d[1]));
  const Vector c = I::sub_words(d[4], d[2]), e = I::template shift_words<1>(I::sub_words(d[3], d[1]));
  t[0] = I::add_words(I::sub_words(four_times<I>(d[0]), five_times<I>(d[2])), d[4]);
  t[1] = I::add_words(a, b);
  t[2] = I::sub_words(a, b);
  t[3] = I::add_words(c, e);
  t[4] = I::sub_words(c, e);
  t[5] = I::add_words(I::sub_words(four_times<I>(d[1]), five_times<I>(d[3])), d[5]);
}

// A line of 64 channels becomes two of 32 words; a register has some of one.
template <class Integers>
void transform_bytes(const std::byte* pixels, std::ptrdiff_t row_stride, std::byte* to,
                     std::ptrdiff_t component_stride, std::ptrdiff_t line_stride) {
  using Vector = typename Integers::Vector;
  constexpr int words = Integers::Simd::width * 2, in_line = 32;
  constexpr int input = Winograd4<typename Integers::Simd>::input;
  for (int first = 0; first < 64; first += words) {
    const auto load = [=](int y, int x) {
      return Integers::load_words(pixels + y * row_stride + x * 64 + first);
    };
    transform_tile<Vector, input>(load, transform_words<Integers>, Integers::store,
                                  to + first / in_line * line_stride + first % in_line * 2, component_stride);
  }
}

template <class Integers>
Kernels make_byte_kernels() {
  Kernels kernels = make_kernels<typename Integers::Simd, ByteStorage<Integers>, ByteProduct<Integers>,
                                 WeightType::s8, WordProduct<Integers>, WeightType::s16, true>(Format::u8);
  kernels.winograd4.inputs = transform_bytes<Integers>;
  return kernels;
}

}  // namespace
}  // namespace resnet::cpu

#endif
