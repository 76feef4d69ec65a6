#ifndef RESNET_MODEL_CPU_KERNELS_TEMPLATE_H
#define RESNET_MODEL_CPU_KERNELS_TEMPLATE_H

#include <limits>
#include <type_traits>
#include <utility>

#include <immintrin.h>

#include "model/cpu/kernels.h"

// Templates of the kernels. A set's file gives what differs: registers (Avx2, Avx512), the product of two
// groups of 4 bytes, and how activations are stored. Nothing here has a name outside its file: each is
// compiled for other instructions.
namespace resnet::cpu {
namespace {

// Registers pass through what is written as a function.
#define RESNET_INLINE inline __attribute__((always_inline))
#define RESNET_INLINE_LAMBDA __attribute__((always_inline))

inline const float* floats(const std::byte* bytes) { return reinterpret_cast<const float*>(bytes); }

#ifdef __AVX512F__
struct Avx512 {
  using Vector = __m512;
  static constexpr int width = 16;  // fp32 numbers in a register
  static constexpr int all_registers = 32;
  static constexpr int registers = 4;  // of weights that share a pixel's broadcast
  static constexpr int tile = 7;       // pixels that share them: 28 sums
  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector all(float value) { return _mm512_set1_ps(value); }
  static Vector load(const float* from) { return _mm512_loadu_ps(from); }
  static Vector load_integers(const std::byte* from) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(from)); }
  static void store(float* to, Vector a) { _mm512_storeu_ps(to, a); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector muladd(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }   // a·b + c
  static Vector mulsub(Vector a, Vector b, Vector c) { return _mm512_fnmadd_ps(a, b, c); }  // c − a·b
};
#endif

struct Avx2 {
  using Vector = __m256;
  static constexpr int width = 8;
  static constexpr int all_registers = 16;
  static constexpr int registers = 2;
  static constexpr int tile = 6;  // 12 sums
  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector all(float value) { return _mm256_set1_ps(value); }
  static Vector load(const float* from) { return _mm256_loadu_ps(from); }
  static Vector load_integers(const std::byte* from) {
    return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static void store(float* to, Vector a) { _mm256_storeu_ps(to, a); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static Vector muladd(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static Vector mulsub(Vector a, Vector b, Vector c) { return _mm256_fnmadd_ps(a, b, c); }
};

// Products of fp32 numbers.
template <class Registers>
struct FloatProduct {
  using Simd = Registers;
  using Vector = typename Simd::Vector;
  static constexpr int bytes = Simd::width * 4;
  static constexpr int registers = Simd::registers;
  static Vector zero() { return Simd::zero(); }
  static Vector load(const std::byte* from) { return Simd::load(floats(from)); }
  static void store(std::byte* to, Vector vector) { Simd::store(reinterpret_cast<float*>(to), vector); }
  static Vector broadcast(const std::byte* from) { return Simd::all(*floats(from)); }
  static void add(Vector& sum, Vector pixel, Vector weight) { sum = Simd::muladd(pixel, weight, sum); }
  static Vector to_floats(Vector sums) { return sums; }
};

// A line of 16 channels each 16 of the 64 outputs.
template <class Simd>
struct FloatStorage {
  static constexpr bool quantized = false;
  static std::ptrdiff_t place(std::ptrdiff_t line_stride, int output) {
    return output / 16 * line_stride + output % 16 * 4;
  }
  static typename Simd::Vector load(const std::byte* from, std::ptrdiff_t line_stride, int output) {
    return Simd::load(floats(from + place(line_stride, output)));
  }
  static void store(std::byte* to, std::ptrdiff_t line_stride, int output, typename Simd::Vector values) {
    Simd::store(reinterpret_cast<float*>(to + place(line_stride, output)), values);
  }
};

// What becomes of the sums of pixels from `begin` on, which sums(pixel, vector) gives; of the outputs from
// `first` on.
template <class Simd, class Storage, int vectors, bool residual, class Sums>
RESNET_INLINE void finish_pixels(const Finish& finish, int first, int begin, int end, const Sums& sums) {
  using Vector = typename Simd::Vector;
  // Copies, as for all the compiler knows a store of bytes could change the others; no copy of the whole,
  // which would wait for what has just been stored in parts.
  const std::byte* const residuals = finish.residual;
  std::byte* const output = finish.output;
  const std::ptrdiff_t line_stride = finish.line_stride;
  Vector scale[vectors], bias[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) {
    if constexpr (Storage::quantized) scale[v] = Simd::load(finish.scale + first + v * Simd::width);
    bias[v] = Simd::load(finish.bias + first + v * Simd::width);
  }
  const Vector least = Simd::all(finish.least), residual_scale = Simd::all(finish.residual_scale);
#pragma GCC unroll 8
  for (int p = begin; p < end; ++p) {
    const std::ptrdiff_t place = p * std::ptrdiff_t{line_bytes};
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const int at = first + v * Simd::width;
      // Additions, where there is no scale: some CPUs add beside their products.
      const auto plus = [](Vector a, Vector factor, Vector b) RESNET_INLINE_LAMBDA {
        return Storage::quantized ? Simd::muladd(a, factor, b) : Simd::add(a, b);
      };
      Vector value = plus(sums(p, v), scale[v], bias[v]);
      if constexpr (residual)
        value = plus(Storage::load(residuals + place, line_stride, at), residual_scale, value);
      Storage::store(output + place, line_stride, at, Simd::max(least, value));  // NaN stays NaN
    }
  }
}

template <class Simd, class Storage, int vectors, class Sums>
RESNET_INLINE void finish_pixels(const Finish& finish, int first, int begin, int end, const Sums& sums) {
  if (finish.residual == nullptr) {
    finish_pixels<Simd, Storage, vectors, false>(finish, first, begin, end, sums);
  } else {
    finish_pixels<Simd, Storage, vectors, true>(finish, first, begin, end, sums);
  }
}

// Sums stay sums.
struct Unfinished {};

// As many sums in registers as there are, each register of weights used for all pixels: one product an
// instruction, without waiting for loads. Some of the 64 outputs, from `first` on.
template <class Product, class Storage, int pixels, std::ptrdiff_t stride>
RESNET_INLINE void sum_outputs(const Tile& tile, int first, void* sums, bool add, const Finish* finish) {
  using Vector = typename Product::Vector;
  constexpr int registers = Product::registers;
  constexpr std::ptrdiff_t group_bytes = output_group * 4;
  std::byte* to = static_cast<std::byte*>(sums) + first * 4;
  Vector sum[pixels][registers];
#pragma GCC unroll 8
  for (int p = 0; p < pixels; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v)
      sum[p][v] = add ? Product::load(to + p * group_bytes + v * Product::bytes) : Product::zero();
  }
  const std::byte* line = tile.input;
  const std::byte* line_weights = tile.weights + first * 4;
  for (int l = 0; l < tile.lines; ++l) {
    const std::byte* row = line;
    const std::byte* weights = line_weights;
    for (int r = 0; r < tile.rows; ++r) {
      const std::byte* group = row;
#pragma GCC unroll 4
      for (int g = 0; g < tile.run; ++g) {
        // Where there is no room for all weights, pixels are broadcast once more, rather than that sums go
        // through memory.
        constexpr bool room = pixels * registers + registers + 1 <= Product::Simd::all_registers;
        constexpr int together = room ? registers : registers / 2;
#pragma GCC unroll 8
        for (int first_v = 0; first_v < registers; first_v += together) {
          Vector weight[together];
#pragma GCC unroll 8
          for (int v = 0; v < together; ++v) {
            const std::byte* at = weights + (first_v + v) * Product::bytes;
            weight[v] = Product::load(at);
            _mm_prefetch(reinterpret_cast<const char*>(at + tile.prefetch), _MM_HINT_T1);
          }
#pragma GCC unroll 8
          for (int p = 0; p < pixels; ++p) {
            const Vector pixel = Product::broadcast(group + p * stride);
#pragma GCC unroll 8
            for (int v = 0; v < together; ++v) Product::add(sum[p][first_v + v], pixel, weight[v]);
          }
          // Or the compiler would keep the pixels.
          if constexpr (together < registers) asm("" : "+r"(group));
        }
        group += 4;
        weights += group_bytes;
      }
      row += tile.row_stride;
    }
    line += tile.line_stride;
    line_weights += tile.weight_line_stride;
  }
  if constexpr (!std::is_same_v<Storage, Unfinished>) {
    if (finish != nullptr) {
      const auto finished = [&](int p, int v) RESNET_INLINE_LAMBDA { return Product::to_floats(sum[p][v]); };
      finish_pixels<typename Product::Simd, Storage, registers>(*finish, first, 0, pixels, finished);
      return;
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < pixels; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v) Product::store(to + p * group_bytes + v * Product::bytes, sum[p][v]);
  }
}

template <class Product, class Storage, int pixels, std::ptrdiff_t stride>
void convolve_tile(const Tile& tile, void* sums, bool add, const Finish* finish) {
  for (int first = 0; first < output_group; first += Product::registers * Product::bytes / 4)
    sum_outputs<Product, Storage, pixels, stride>(tile, first, sums, add, finish);
}

template <class Product, int pixels, std::ptrdiff_t stride>
void sum_tile(const Tile& tile, void* sums, bool add) {
  convolve_tile<Product, Unfinished, pixels, stride>(tile, sums, add, nullptr);
}

template <class Product, std::ptrdiff_t stride, std::size_t... index>
void set_tiles(SumTiles& tiles, std::index_sequence<index...> /*numbers of pixels − 1*/) {
  ((tiles[index] = sum_tile<Product, index + 1, stride>), ...);
}

template <class Product, class Storage, std::ptrdiff_t stride, std::size_t... index>
void set_tiles(ConvolveTiles& tiles, std::index_sequence<index...> /*numbers of pixels − 1*/) {
  ((tiles[index] = convolve_tile<Product, Storage, index + 1, stride>), ...);
}

template <class Simd, bool integers>
RESNET_INLINE typename Simd::Vector load_sums(const std::byte* from) {
  if constexpr (integers) {
    return Simd::load_integers(from);
  } else {
    return Simd::load(floats(from));
  }
}

// Of [pixels][outputs] sums.
template <class Simd, class Storage, bool integers, int outputs>
void finish_stored(const Finish& finish, const void* sums, int pixels) {
  const auto* from = static_cast<const std::byte*>(sums);
  const auto load = [=](int p, int v) RESNET_INLINE_LAMBDA {
    return load_sums<Simd, integers>(from + (p * outputs + v * Simd::width) * 4);
  };
  finish_pixels<Simd, Storage, outputs / Simd::width>(finish, 0, 0, pixels, load);
}

// A pixel of pool(). With one bias for all the greatest sum is the greatest result.
template <class Simd, class Storage, bool integers, bool biases>
RESNET_INLINE void pool_pixel(const Pool& pool, std::ptrdiff_t place, const Finish& finish, int pixel) {
  constexpr int vectors = block_outputs / Simd::width;
  typename Simd::Vector greatest[vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v)
    greatest[v] = Simd::all(biases ? finish.least : std::numeric_limits<float>::lowest());
  for (std::size_t i = 0; i < static_cast<std::size_t>(pool.count); ++i) {
    const std::byte* sums = pool.sums[i] + place;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      auto value = load_sums<Simd, integers>(sums + v * Simd::width * 4);
      if constexpr (biases) {
        value = Simd::muladd(value, Simd::load(finish.scale + v * Simd::width),
                             Simd::load(pool.biases[i] + v * Simd::width));
      }
      greatest[v] = Simd::max(greatest[v], value);
    }
  }
  if constexpr (biases) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      Storage::store(finish.output + pixel * std::ptrdiff_t{line_bytes}, finish.line_stride, v * Simd::width,
                     greatest[v]);
    }
  } else {
    const auto sums = [&](int /*pixel*/, int v) RESNET_INLINE_LAMBDA { return greatest[v]; };
    finish_pixels<Simd, Storage, vectors, false>(finish, 0, pixel, pixel + 1, sums);
  }
}

template <class Simd, class Storage, bool integers>
void pool(const Pool& pool, const Finish& finish, int pixels) {
  for (int p = 0; p < pixels; ++p) {
    if (pool.biases[0] == nullptr) {
      pool_pixel<Simd, Storage, integers, false>(pool, p * pool.stride, finish, p);
    } else {
      pool_pixel<Simd, Storage, integers, true>(pool, p * pool.stride, finish, p);
    }
  }
}

// Winograd's transforms (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): Bᵀ of a
// column of inputs, and Aᵀ of one of components. At the points 0, ±1, ±2 and ∞:
template <class Registers>
struct Winograd4 {
  using Simd = Registers;
  using Vector = typename Simd::Vector;
  static constexpr int tile = 4, stride = 1, input = 6;

  static RESNET_INLINE void inputs(const Vector (&d)[input], Vector (&t)[input]) {
    const Vector two = Simd::all(2.0F), four = Simd::all(4.0F), five = Simd::all(5.0F);
    const Vector a = Simd::mulsub(four, d[2], d[4]), b = Simd::mulsub(four, d[1], d[3]);
    const Vector c = Simd::sub(d[4], d[2]), e = Simd::mul(two, Simd::sub(d[3], d[1]));
    t[0] = Simd::muladd(four, d[0], Simd::mulsub(five, d[2], d[4]));
    t[1] = Simd::add(a, b);
    t[2] = Simd::sub(a, b);
    t[3] = Simd::add(c, e);
    t[4] = Simd::sub(c, e);
    t[5] = Simd::muladd(four, d[1], Simd::mulsub(five, d[3], d[5]));
  }

  static RESNET_INLINE void outputs(const Vector (&m)[input], Vector (&y)[tile]) {
    const Vector a = Simd::add(m[1], m[2]), b = Simd::sub(m[1], m[2]);
    const Vector c = Simd::add(m[3], m[4]), d = Simd::sub(m[3], m[4]);
    y[0] = Simd::add(m[0], Simd::add(a, c));
    y[1] = Simd::muladd(Simd::all(2.0F), d, b);
    y[2] = Simd::muladd(Simd::all(4.0F), c, a);
    y[3] = Simd::muladd(Simd::all(8.0F), d, Simd::add(b, m[5]));
  }
};

// At 0, ±1 and ∞.
template <class Registers>
struct Winograd2 {
  using Simd = Registers;
  using Vector = typename Simd::Vector;
  static constexpr int tile = 2, stride = 1, input = 4;

  static RESNET_INLINE void inputs(const Vector (&d)[input], Vector (&t)[input]) {
    t[0] = Simd::sub(d[0], d[2]);
    t[1] = Simd::add(d[1], d[2]);
    t[2] = Simd::sub(d[2], d[1]);
    t[3] = Simd::sub(d[1], d[3]);
  }

  static RESNET_INLINE void outputs(const Vector (&m)[input], Vector (&y)[tile]) {
    y[0] = Simd::add(m[0], Simd::add(m[1], m[2]));
    y[1] = Simd::sub(Simd::sub(m[1], m[2]), m[3]);
  }
};

// At a stride of 2: of the weights' outer two and the pixels between which the output lies F(2, 2) at 0, 1
// and ∞, of their middle one and the pixel under it the product.
template <class Registers>
struct StridedWinograd2 {
  using Simd = Registers;
  using Vector = typename Simd::Vector;
  static constexpr int tile = 2, stride = 2, input = 5;

  static RESNET_INLINE void inputs(const Vector (&d)[input], Vector (&t)[input]) {
    t[0] = Simd::sub(d[0], d[2]);
    t[1] = d[2];
    t[2] = Simd::sub(d[4], d[2]);
    t[3] = d[1];
    t[4] = d[3];
  }

  static RESNET_INLINE void outputs(const Vector (&m)[input], Vector (&y)[tile]) {
    y[0] = Simd::add(Simd::add(m[0], m[1]), m[3]);
    y[1] = Simd::add(Simd::add(m[1], m[2]), m[4]);
  }
};

// load(row, column) gives the pixels' channels, column(d, t) is Bᵀ, and store(place, t) writes a component.
template <class Vector, int input, class Load, class Column, class Store>
RESNET_INLINE void transform_tile(const Load& load, const Column& column, const Store& store, std::byte* to,
                                  std::ptrdiff_t component_stride) {
  Vector half[input][input];
#pragma GCC unroll 8
  for (int x = 0; x < input; ++x) {
    Vector d[input], t[input];
#pragma GCC unroll 8
    for (int y = 0; y < input; ++y) d[y] = load(y, x);
    column(d, t);
#pragma GCC unroll 8
    for (int y = 0; y < input; ++y) half[y][x] = t[y];
  }
#pragma GCC unroll 8
  for (int y = 0; y < input; ++y) {
    Vector t[input];
    column(half[y], t);
#pragma GCC unroll 8
    for (int x = 0; x < input; ++x, to += component_stride) store(to, t[x]);
  }
}

template <class Winograd, class Load>
RESNET_INLINE void transform_floats(const Load& load, std::byte* to, std::ptrdiff_t component_stride) {
  using Simd = typename Winograd::Simd;
  using Vector = typename Simd::Vector;
  const auto store = [](std::byte* place, Vector component)
                         RESNET_INLINE_LAMBDA { Simd::store(reinterpret_cast<float*>(place), component); };
  transform_tile<Vector, Winograd::input>(load, Winograd::inputs, store, to, component_stride);
}

template <class Winograd, bool integers>
void winograd_outputs(const void* sums, std::ptrdiff_t component_stride, const float* scale, float* to) {
  using Simd = typename Winograd::Simd;
  using Vector = typename Simd::Vector;
  constexpr int tile = Winograd::tile, input = Winograd::input;
  const auto* from = static_cast<const std::byte*>(sums);
  for (int output = 0; output < output_group; output += Simd::width) {
    Vector half[input][tile];
#pragma GCC unroll 8
    for (int y = 0; y < input; ++y) {
      Vector m[input];
#pragma GCC unroll 8
      for (int x = 0; x < input; ++x) {
        const int component = y * input + x;
        m[x] = load_sums<Simd, integers>(from + component * component_stride + output * 4);
        if constexpr (integers) m[x] = Simd::mul(m[x], Simd::load(scale + component * output_group + output));
      }
      Winograd::outputs(m, half[y]);
    }
#pragma GCC unroll 8
    for (int x = 0; x < tile; ++x) {
      Vector column[input], result[tile];
#pragma GCC unroll 8
      for (int y = 0; y < input; ++y) column[y] = half[y][x];
      Winograd::outputs(column, result);
#pragma GCC unroll 8
      for (int y = 0; y < tile; ++y) Simd::store(to + (y * tile + x) * output_group + output, result[y]);
    }
  }
}

template <class Winograd>
void transform_fp32(const std::byte* pixels, std::ptrdiff_t row_stride, std::byte* to,
                    std::ptrdiff_t component_stride, std::ptrdiff_t /*one line*/) {
  using Simd = typename Winograd::Simd;
  for (std::ptrdiff_t part = 0; part < 64; part += Simd::width * 4) {
    const auto load = [=](int y, int x) {
      return Simd::load(floats(pixels + y * row_stride + x * 64 + part));
    };
    transform_floats<Winograd>(load, to + part, component_stride);
  }
}

// The sums of Winograd's form of Strassen's algorithm (Kernels::strassen_inputs).
template <class Simd>
void strassen_inputs(const std::byte* const (&tiles)[2], std::ptrdiff_t pixel_stride,
                     std::ptrdiff_t line_stride, int lines, int pixels, std::byte* to) {
  const std::ptrdiff_t half = lines * line_stride, sum_stride = lines * pixels * std::ptrdiff_t{line_bytes};
  for (int line = 0; line < lines; ++line) {
    for (int p = 0; p < pixels; ++p, to += line_bytes) {
      const std::ptrdiff_t place = line * line_stride + p * pixel_stride;
#pragma GCC unroll 2
      for (std::ptrdiff_t part = 0; part < 64; part += Simd::width * 4) {
        const auto load = [=](int tile, std::ptrdiff_t at)
                              RESNET_INLINE_LAMBDA { return Simd::load(floats(tiles[tile] + place + at)); };
        const auto store = [=](int sum, typename Simd::Vector value) RESNET_INLINE_LAMBDA {
          Simd::store(reinterpret_cast<float*>(to + sum * sum_stride + part), value);
        };
        const auto a = load(0, part), b = load(0, half + part), c = load(1, part), d = load(1, half + part);
        const auto below = Simd::add(c, d), difference = Simd::sub(below, a);
        store(0, below);
        store(1, difference);
        store(2, Simd::sub(a, c));
        store(3, Simd::sub(b, difference));
      }
    }
  }
}

template <class Simd, class Storage, int tile, int half>
void strassen_finish(const Finish& finish, const float* products, int pixels, int count) {
  const auto sums = [=](int p, int v) RESNET_INLINE_LAMBDA {
    const auto product = [=](int index) RESNET_INLINE_LAMBDA {
      return Simd::load(products + (index * pixels + p) * output_group + v * Simd::width);
    };
    if constexpr (tile == 0 && half == 0) return Simd::add(product(0), product(1));
    const auto common = Simd::add(product(0), product(5));
    if constexpr (tile == 0) return Simd::add(Simd::add(common, product(4)), product(2));
    const auto second = Simd::add(common, product(6));
    return half == 0 ? Simd::sub(second, product(3)) : Simd::add(second, product(4));
  };
  finish_pixels<Simd, Storage, output_group / Simd::width>(finish, 0, 0, count, sums);
}

// A set: how activations are stored, what is multiplied, of which types the weights are.
template <class Simd, class Storage, class Product, WeightType weights, class WinogradProduct,
          WeightType winograd_weights, bool integers>
Kernels make_kernels(Format format) {
  Kernels kernels;
  kernels.format = format;
  kernels.weights = weights;
  kernels.integers = kernels.winograd_integers = integers;
  kernels.tile = Product::Simd::tile;
  constexpr std::make_index_sequence<max_tile> tiles;
  set_tiles<Product, Storage, 64>(kernels.dense, tiles);
  set_tiles<Product, Storage, 128>(kernels.strided, tiles);
  set_tiles<Product, std::ptrdiff_t{2} * 3 * weight_bytes(weights)>(kernels.stem, tiles);
  kernels.finish = finish_stored<Simd, Storage, false, output_group>;
  kernels.finish_block = finish_stored<Simd, Storage, integers, block_outputs>;
  kernels.pool = pool<Simd, Storage, integers>;
  kernels.winograd_weights = winograd_weights;
  // A line is as many channels of activations as it is of weights; of components, of their weights.
  kernels.winograd_lines = weight_bytes(winograd_weights) / weight_bytes(weights);
  set_tiles<WinogradProduct, 64>(kernels.winograd_sum, tiles);
  using Winograd = Winograd4<Simd>;
  kernels.winograd4 = {Winograd::tile, Winograd::stride, nullptr, winograd_outputs<Winograd, integers>};
  return kernels;
}

template <class Winograd>
WinogradTransform make_winograd() {
  return {Winograd::tile, Winograd::stride, transform_fp32<Winograd>, winograd_outputs<Winograd, false>};
}

template <class Simd>
Kernels make_fp32_kernels() {
  using Product = FloatProduct<Simd>;
  Kernels kernels =
      make_kernels<Simd, FloatStorage<Simd>, Product, WeightType::fp32, Product, WeightType::fp32, false>(
          Format::fp32);
  kernels.winograd4.inputs = transform_fp32<Winograd4<Simd>>;
  kernels.winograd2 = make_winograd<Winograd2<Simd>>();
  kernels.winograd2_strided = make_winograd<StridedWinograd2<Simd>>();
  if constexpr (Simd::width == 16) {  // of 8, smaller tiles lose more than is saved
    using Storage = FloatStorage<Simd>;
    kernels.strassen_inputs = strassen_inputs<Simd>;
    kernels.strassen_finish[0][0] = strassen_finish<Simd, Storage, 0, 0>;
    kernels.strassen_finish[0][1] = strassen_finish<Simd, Storage, 0, 1>;
    kernels.strassen_finish[1][0] = strassen_finish<Simd, Storage, 1, 0>;
    kernels.strassen_finish[1][1] = strassen_finish<Simd, Storage, 1, 1>;
  }
  return kernels;
}

}  // namespace
}  // namespace resnet::cpu

#endif
