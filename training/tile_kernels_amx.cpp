#include <algorithm>

#include <immintrin.h>

#include "model/cpu/tile_configuration.h"
#include "training/tile_kernels.h"

namespace resnet::tiles {
namespace {

constexpr int tile_row_bytes = 64;
constexpr int tile_numbers = tile * panel;
// As in model/cpu: where no tile has been stored for 0.6 µs the next store takes 0.3 µs longer.
constexpr int steps_between_stores = 14;

// Tiles 0 to 3 are sums, of two blocks of rows by two of 16 columns; 4 and 5 the blocks' rows, 6 and 7 the
// columns.
template <int blocks>
void multiply_blocks(const Product& product, float* sums, std::ptrdiff_t stride, bool add) {
  const std::ptrdiff_t sum_bytes = stride * 4;
  if (add) {
    _tile_loadd(0, sums, sum_bytes);
    _tile_loadd(1, sums + tile, sum_bytes);
    if constexpr (blocks == 2) {
      _tile_loadd(2, sums + tile * stride, sum_bytes);
      _tile_loadd(3, sums + tile * stride + tile, sum_bytes);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (blocks == 2) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  const std::ptrdiff_t row_bytes = product.row_stride * 2, next = product.row_stride * tile;
  int steps = 0;  // since tiles were stored
  for (std::size_t i = 0; i < product.count; ++i) {
    if (steps >= steps_between_stores) {
      _tile_stored(4, sums, sum_bytes);
      steps = 0;
    }
    steps += product.steps;
    const Bits* rows = product.factors[i].rows;
    const Bits* columns = product.factors[i].columns;
    for (int s = 0; s < product.steps; ++s, rows += panel, columns += step) {
      _tile_loadd(4, rows, row_bytes);
      _tile_loadd(6, columns, tile_row_bytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, columns + tile_numbers, tile_row_bytes);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (blocks == 2) {
        _tile_loadd(5, rows + next, row_bytes);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, sums, sum_bytes);
  _tile_stored(1, sums + tile, sum_bytes);
  if constexpr (blocks == 2) {
    _tile_stored(2, sums + tile * stride, sum_bytes);
    _tile_stored(3, sums + tile * stride + tile, sum_bytes);
  }
}

// In registers of 16 groups of 4 bytes.
void transpose_groups(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  }
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
  }
}

// Two rows of 32 numbers, pair by pair, of 16 each.
void interleave(const Bits* even, const Bits* odd, __m512i& first, __m512i& second) {
  const __m512i a = even == nullptr ? _mm512_setzero_si512() : _mm512_loadu_si512(even);
  const __m512i b = odd == nullptr ? _mm512_setzero_si512() : _mm512_loadu_si512(odd);
  const auto wide = [](__m256i half) { return _mm512_cvtepu16_epi32(half); };
  const auto pair = [&](__m256i low, __m256i high) {
    return _mm512_or_si512(wide(low), _mm512_slli_epi32(wide(high), 16));
  };
  first = pair(_mm512_castsi512_si256(a), _mm512_castsi512_si256(b));
  second = pair(_mm512_extracti64x4_epi64(a, 1), _mm512_extracti64x4_epi64(b, 1));
}

// 32 rows from `row` on.
void interleave_rows(const Bits* from, std::ptrdiff_t stride, int row, int rows, __m512i (&first)[16],
                     __m512i (&second)[16]) {
  const auto at = [&](int r) { return r < rows ? from + r * stride : nullptr; };
  for (int i = 0; i < 16; ++i) interleave(at(row + 2 * i), at(row + 2 * i + 1), first[i], second[i]);
}

__m512i narrow_pair(const float* low, const float* high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(high), _mm512_loadu_ps(low)));
}

}  // namespace

Tiles::Tiles(int rows) {
  cpu::TileConfiguration configuration;
  for (const int of_rows : {0, 1, 4}) configuration.rows[of_rows] = static_cast<std::uint8_t>(rows);
  _tile_loadconfig(&configuration);
}

Tiles::~Tiles() { _tile_release(); }

void multiply(const Product& product, int blocks, float* sums, std::ptrdiff_t stride, bool add) {
  blocks == 1 ? multiply_blocks<1>(product, sums, stride, add)
              : multiply_blocks<2>(product, sums, stride, add);
}

void narrow(const float* sums, int rows, Bits* to, std::ptrdiff_t stride) {
  for (int row = 0; row < rows; ++row, sums += panel, to += stride)
    _mm512_storeu_si512(to, narrow_pair(sums, sums + tile));
}

void pack_columns(const Bits* from, std::ptrdiff_t stride, int rows, Bits* to) {
  __m512i first[16], second[16];
  for (int row = 0; row < rows; row += panel, to += step) {
    interleave_rows(from, stride, row, rows, first, second);
    for (int i = 0; i < 16; ++i) {
      _mm512_storeu_si512(to + i * panel, first[i]);
      _mm512_storeu_si512(to + tile_numbers + i * panel, second[i]);
    }
  }
}

void transpose(const Bits* from, std::ptrdiff_t stride, int rows, Bits* to) {
  const std::ptrdiff_t padded = (rows + panel - 1) / panel * panel;
  __m512i first[16], second[16];
  for (int row = 0; row < rows; row += panel, to += panel) {
    interleave_rows(from, stride, row, rows, first, second);
    transpose_groups(first);
    transpose_groups(second);
    for (int i = 0; i < 16; ++i) {
      _mm512_storeu_si512(to + i * padded, first[i]);
      _mm512_storeu_si512(to + (tile + i) * padded, second[i]);
    }
  }
}

void pack_columns(const float* from, std::ptrdiff_t stride, Bits* to) {
  Bits rows[step];
  for (int row = 0; row < panel; ++row)
    _mm512_storeu_si512(rows + row * panel, narrow_pair(from + row * stride, from + row * stride + tile));
  pack_columns(rows, panel, panel, to);
}

void pack_transposed_columns(const float* from, std::ptrdiff_t stride, Bits* to) {
  __m512i r[16];
  for (int half = 0; half < panel; half += tile, to += tile_numbers) {
    for (int i = 0; i < 16; ++i) {
      const float* row = from + (half + i) * stride;
      r[i] = narrow_pair(row, row + tile);
    }
    transpose_groups(r);
    for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * panel, r[i]);
  }
}

}  // namespace resnet::tiles
