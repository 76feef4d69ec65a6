#include "model/yuv_rows.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "model/interleaved_store.h"
#include "model/vectorise.h"

namespace resnet {

namespace {

constexpr int factor_bits = 8;
constexpr std::size_t block = 64;  // columns, that AVX-512 takes at once

// Luma and chroma are added with such an offset that 255 becomes the highest number of 16 bits, where
// addition saturates, and 0 becomes `black`.
constexpr int white = 0xFFFF;
constexpr int black = white - 255 * parts_of_step;

std::size_t whole_blocks(std::size_t count) { return (count + block - 1) / block * block; }

/// Two bytes wherever they lie, the first one low.
using Pair [[gnu::aligned(1), gnu::may_alias]] = std::uint16_t;

const Pair* as_pairs(const std::uint8_t* bytes) { return reinterpret_cast<const Pair*>(bytes); }

// A coefficient of so many fraction bits as a factor.
std::uint16_t factor(std::int32_t coefficient, int bits) {
  const std::int64_t scaled = std::int64_t{std::abs(coefficient)} * parts_of_step;
  const int surplus = bits - factor_bits;
  return static_cast<std::uint16_t>((scaled + (1 << (surplus - 1))) >> surplus);
}

// The products' fractions are cut off, which is half a part too little on average: `cut` is how many halves
// the sum lacks.
std::uint16_t offset(std::int32_t products, int cut) {
  const std::int32_t halves = (2 * products) >> factor_bits;
  return static_cast<std::uint16_t>(black - (halves - cut) / 2);
}

YuvRows::Factors make_factors(const YuvCoefficients& k) {
  YuvRows::Factors f;
  f.luma = factor(k.luma, luma_bits);
  f.red_v = factor(k.red_v, chroma_bits);
  f.green_u = factor(k.green_u, chroma_bits);
  f.green_v = factor(k.green_v, chroma_bits);
  f.blue_u = factor(k.blue_u, chroma_bits);
  const std::int32_t luma = k.luma_offset * f.luma, zero = 128;
  f.red = offset(luma + zero * f.red_v, 2);
  f.green = offset(luma - zero * (f.green_u + f.green_v), -1);
  f.blue = offset(luma + zero * f.blue_u, 2);
  return f;
}

std::uint16_t product(std::uint16_t a, std::uint16_t b) {
  return static_cast<std::uint16_t>((std::uint32_t{a} * b) >> 16);
}

RESNET_VECTORISE void weigh_planes(const YuvRows::Factors& factors, const std::uint8_t* u,
                                   const std::uint8_t* v, std::size_t count, std::uint16_t* __restrict red,
                                   std::uint16_t* __restrict green, std::uint16_t* __restrict blue) {
  const YuvRows::Factors f = factors;
  for (std::size_t i = 0; i < count; ++i) {
    const auto high_u = static_cast<std::uint16_t>(u[i] << 8), high_v = static_cast<std::uint16_t>(v[i] << 8);
    red[i] = static_cast<std::uint16_t>(f.red + product(high_v, f.red_v));
    green[i] = static_cast<std::uint16_t>(f.green - product(high_u, f.green_u) - product(high_v, f.green_v));
    blue[i] = static_cast<std::uint16_t>(f.blue + product(high_u, f.blue_u));
  }
}

RESNET_VECTORISE void weigh_pairs(const YuvRows::Factors& factors, const Pair* pairs, std::size_t count,
                                  std::uint16_t* __restrict red, std::uint16_t* __restrict green,
                                  std::uint16_t* __restrict blue) {
  const YuvRows::Factors f = factors;
  for (std::size_t i = 0; i < count; ++i) {
    const auto u = static_cast<std::uint16_t>(pairs[i] << 8),
               v = static_cast<std::uint16_t>(pairs[i] & 0xFF00);
    red[i] = static_cast<std::uint16_t>(f.red + product(v, f.red_v));
    green[i] = static_cast<std::uint16_t>(f.green - product(u, f.green_u) - product(v, f.green_v));
    blue[i] = static_cast<std::uint16_t>(f.blue + product(u, f.blue_u));
  }
}

RESNET_VECTORISE void split_pairs(const Pair* in, std::size_t count, std::uint8_t* __restrict low,
                                  std::uint8_t* __restrict high) {
  for (std::size_t i = 0; i < count; ++i) {
    low[i] = static_cast<std::uint8_t>(in[i]);
    high[i] = static_cast<std::uint8_t>(in[i] >> 8);
  }
}

std::uint16_t average(std::uint16_t a, std::uint16_t b) {
  return static_cast<std::uint16_t>((a + b + 1) >> 1);
}

// Loops that do no more than this become the instruction for it.
RESNET_VECTORISE void average_rows(const std::uint16_t* first, const std::uint16_t* second, std::size_t count,
                                   std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = average(first[i], second[i]);
}
RESNET_VECTORISE void average_with(const std::uint16_t* in, std::size_t count,
                                   std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = average(in[i], out[i]);
}

// Twice as many columns. in[samples] is there.
RESNET_VECTORISE void widen_cosited(const std::uint16_t* in, std::size_t samples,
                                    std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < samples; ++i) {
    out[2 * i] = in[i];
    out[2 * i + 1] = average(in[i], in[i + 1]);
  }
}
// The same of samples between columns, with the averages of each and the next, from the one before on.
RESNET_VECTORISE void widen_between(const std::uint16_t* in, const std::uint16_t* averages,
                                    std::size_t samples, std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < samples; ++i) {
    out[2 * i] = average(in[i], averages[i]);
    out[2 * i + 1] = average(in[i], averages[i + 1]);
  }
}

std::int16_t weighted(std::int16_t value, std::int16_t weight) {
  // As compilers know that instruction.
  const std::int32_t twice = value * weight >> (row_weight_bits - 1);
  return static_cast<std::int16_t>((twice + 1) >> 1);
}

// A channel of a row.
RESNET_VECTORISE void convert(const std::uint8_t* luma, std::uint16_t luma_factor, const std::uint16_t* terms,
                              std::size_t count, std::int16_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t y = product(static_cast<std::uint16_t>(luma[i] << 8), luma_factor);
    const auto room = static_cast<std::uint16_t>(white - y);
    const std::uint16_t term = terms[i] < room ? terms[i] : room;
    const auto sum = static_cast<std::uint16_t>(y + term);
    out[i] = static_cast<std::int16_t>((sum > black ? sum : black) - black);
  }
}

// sums += values · weight
RESNET_VECTORISE void add_weighted(const std::int16_t* values, std::int16_t weight, std::size_t count,
                                   std::int16_t* __restrict sums) {
  for (std::size_t i = 0; i < count; ++i)
    sums[i] = static_cast<std::int16_t>(sums[i] + weighted(values[i], weight));
}

#if defined(__x86_64__)

RESNET_VBMI inline __m512i all(std::uint16_t value) {
  return _mm512_set1_epi16(static_cast<std::int16_t>(value));
}

// 32 samples, each in the high byte of a word.
class SampleWeigher {
 public:
  RESNET_VBMI explicit SampleWeigher(const YuvRows::Factors& f)
      : red_v_(all(f.red_v)),
        green_u_(all(f.green_u)),
        green_v_(all(f.green_v)),
        blue_u_(all(f.blue_u)),
        red_(all(f.red)),
        green_(all(f.green)),
        blue_(all(f.blue)) {}

  RESNET_VBMI void run(__m512i u, __m512i v, std::uint16_t* red, std::uint16_t* green,
                       std::uint16_t* blue) const {
    const __m512i greens = _mm512_add_epi16(_mm512_mulhi_epu16(u, green_u_), _mm512_mulhi_epu16(v, green_v_));
    _mm512_storeu_si512(red, _mm512_add_epi16(red_, _mm512_mulhi_epu16(v, red_v_)));
    _mm512_storeu_si512(green, _mm512_sub_epi16(green_, greens));
    _mm512_storeu_si512(blue, _mm512_add_epi16(blue_, _mm512_mulhi_epu16(u, blue_u_)));
  }

 private:
  __m512i red_v_, green_u_, green_v_, blue_u_, red_, green_, blue_;
};

RESNET_VBMI void weigh_planes_with_vbmi(const YuvRows::Factors& factors, const std::uint8_t* u,
                                        const std::uint8_t* v, std::size_t count, std::uint16_t* red,
                                        std::uint16_t* green, std::uint16_t* blue) {
  const SampleWeigher weigher(factors);
  for (std::size_t i = 0; i < count; i += 32) {
    const auto mask = static_cast<__mmask32>(mask_of(count - i));
    const __m512i u_words = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, u + i)),
                  v_words = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, v + i));
    weigher.run(_mm512_slli_epi16(u_words, 8), _mm512_slli_epi16(v_words, 8), red + i, green + i, blue + i);
  }
}

RESNET_VBMI void weigh_pairs_with_vbmi(const YuvRows::Factors& factors, const std::uint8_t* pairs,
                                       std::size_t count, std::uint16_t* red, std::uint16_t* green,
                                       std::uint16_t* blue) {
  const SampleWeigher weigher(factors);
  const __m512i high = all(0xFF00);
  for (std::size_t i = 0; i < count; i += 32) {
    const __m512i words = _mm512_maskz_loadu_epi8(mask_of(2 * (count - i)), pairs + 2 * i);
    weigher.run(_mm512_slli_epi16(words, 8), _mm512_and_si512(words, high), red + i, green + i, blue + i);
  }
}

// Two bytes in turns.
constexpr std::array<std::uint8_t, 2 * register_bytes> turns = [] {
  std::array<std::uint8_t, 2 * register_bytes> places{};
  for (std::size_t i = 0; i < register_bytes; ++i) {
    places[i] = static_cast<std::uint8_t>(2 * i);
    places[register_bytes + i] = static_cast<std::uint8_t>(2 * i + 1);
  }
  return places;
}();

RESNET_VBMI void split_pairs_with_vbmi(const std::uint8_t* in, std::size_t count, std::uint8_t* low,
                                       std::uint8_t* high) {
  const __m512i first = _mm512_loadu_si512(turns.data()),
                second = _mm512_loadu_si512(turns.data() + register_bytes);
  for (std::size_t i = 0; i < count; i += block) {
    const std::size_t bytes = 2 * (count - i);
    const __m512i a = _mm512_maskz_loadu_epi8(mask_of(bytes), in + 2 * i),
                  b = _mm512_maskz_loadu_epi8(mask_of(bytes - std::min(bytes, register_bytes)),
                                              in + 2 * i + register_bytes);
    _mm512_storeu_si512(low + i, _mm512_permutex2var_epi8(a, first, b));
    _mm512_storeu_si512(high + i, _mm512_permutex2var_epi8(a, second, b));
  }
}

// The average of two rows, or that of it and one of them, `nearer`.
RESNET_VBMI void mix_rows_with_vbmi(const std::uint16_t* first, const std::uint16_t* second,
                                    const std::uint16_t* nearer, std::size_t count, std::uint16_t* out) {
  for (std::size_t i = 0; i < count; i += 32) {
    __m512i sum = _mm512_avg_epu16(_mm512_loadu_si512(first + i), _mm512_loadu_si512(second + i));
    if (nearer != nullptr) sum = _mm512_avg_epu16(sum, _mm512_loadu_si512(nearer + i));
    _mm512_storeu_si512(out + i, sum);
  }
}

enum class Widening : std::uint8_t { none, cosited, between };

// A block's numbers of 16 bits, in two registers.
struct Halves {
  __m512i low, high;
};

// In the order in which instructions interleave two registers of bytes or words: quarter by quarter of them,
// eight columns to `low` and eight to `high`.
template <Widening widening>
RESNET_VBMI inline Halves load_luma(const std::uint8_t* luma, std::uint64_t mask) {
  const __m512i bytes = _mm512_maskz_loadu_epi8(mask, luma), zero = _mm512_setzero_si512();
  if constexpr (widening == Widening::none) {
    return {_mm512_slli_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(bytes)), 8),
            _mm512_slli_epi16(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(bytes, 1)), 8)};
  } else {
    return {_mm512_unpacklo_epi8(zero, bytes), _mm512_unpackhi_epi8(zero, bytes)};
  }
}

template <Widening widening>
RESNET_VBMI inline Halves load_terms(const std::uint16_t* terms) {
  const __m512i here = _mm512_loadu_si512(terms);
  if constexpr (widening == Widening::none) {
    return {here, _mm512_loadu_si512(terms + 32)};
  } else {
    __m512i even = here, odd = _mm512_avg_epu16(here, _mm512_loadu_si512(terms + 1));
    if constexpr (widening == Widening::between) {
      even = _mm512_avg_epu16(here, _mm512_avg_epu16(here, _mm512_loadu_si512(terms - 1)));
      odd = _mm512_avg_epu16(here, odd);
    }
    return {_mm512_unpacklo_epi16(even, odd), _mm512_unpackhi_epi16(even, odd)};
  }
}

RESNET_VBMI inline void add_to(std::int16_t* sums, __m512i values, __m512i weight) {
  const __m512i sum = _mm512_add_epi16(_mm512_loadu_si512(sums), _mm512_mulhrs_epi16(values, weight));
  _mm512_storeu_si512(sums, sum);
}

template <Widening widening>
RESNET_VBMI void add_with_vbmi(const std::uint8_t* luma, std::size_t columns, std::uint16_t luma_factor,
                               const std::uint16_t* terms, std::size_t terms_stride,
                               const YuvRows::Sums& first, const YuvRows::Sums& second, std::size_t stride,
                               const std::array<YuvRows::Soon, 3>& soon) {
  const __m512i factor = all(luma_factor), below = all(black);
  const __m512i first_weight = _mm512_set1_epi16(first.weight),
                second_weight = _mm512_set1_epi16(second.weight);
  for (std::size_t x = 0; x < columns; x += block) {
    for (const YuvRows::Soon& plane : soon) __builtin_prefetch(plane.row + x / block * plane.block_bytes);
    Halves y = load_luma<widening>(luma + x, mask_of(columns - x));
    y = {_mm512_mulhi_epu16(y.low, factor), _mm512_mulhi_epu16(y.high, factor)};
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const Halves c =
          load_terms<widening>(terms + channel * terms_stride + (widening == Widening::none ? x : x / 2));
      const __m512i low = _mm512_subs_epu16(_mm512_adds_epu16(y.low, c.low), below),
                    high = _mm512_subs_epu16(_mm512_adds_epu16(y.high, c.high), below);
      std::int16_t *to = first.planes + channel * stride + x, *next = second.planes + channel * stride + x;
      add_to(to, low, first_weight);
      add_to(to + 32, high, first_weight);
      add_to(next, low, second_weight);
      add_to(next + 32, high, second_weight);
    }
  }
}

// Blocks in the columns' order, and cleared.
RESNET_VBMI void reorder_with_vbmi(std::int16_t* from, std::size_t count, std::int16_t* to) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), zero = _mm512_setzero_si512();
  for (std::size_t i = 0; i < count; i += block) {
    const __m512i low = _mm512_loadu_si512(from + i), high = _mm512_loadu_si512(from + i + 32);
    _mm512_storeu_si512(to + i, _mm512_permutex2var_epi64(low, first, high));
    _mm512_storeu_si512(to + i + 32, _mm512_permutex2var_epi64(low, second, high));
    _mm512_storeu_si512(from + i, zero);
    _mm512_storeu_si512(from + i + 32, zero);
  }
}

#endif

}  // namespace

YuvRows::YuvRows(int begin, int end, VectorUnit unit) : left_(begin & ~1), end_(end), unit_(unit) {
  columns_ = static_cast<std::size_t>(end_ - left_);
  stride_ = whole_blocks(columns_) + block;
  terms_stride_ = before_terms + stride_;
  terms_.resize(3 * 3 * terms_stride_);
  luma_.resize(stride_);
  pairs_.resize(stride_);
  if (unit_ == VectorUnit::avx512_vbmi) return;
  wide_.resize(stride_);
  averages_.resize(stride_);
  values_.resize(stride_);
}

void YuvRows::start(const PixelSource& s) {
  half_width_ = s.half_width;
  cosited_ = s.horizontal_cosited;
  const int per_sample = half_width_ ? 2 : 1, left = left_ / per_sample;
  const int all = (s.width + per_sample - 1) / per_sample;
  // One more at each end serves the interpolation.
  sample_ = half_width_ && !cosited_ ? std::max(left - 1, 0) : left;
  samples_ = static_cast<std::size_t>(std::min((end_ + per_sample - 1) / per_sample + 1, all) - sample_);
  before_ = static_cast<std::size_t>(left - sample_);
  held_ = {-1, -1};
  factors_ = make_factors(s.yuv);
  v_first_ = s.chroma_step > 1 && s.v < s.u;
  if (v_first_) {
    std::swap(factors_.red, factors_.blue);
    std::swap(factors_.red_v, factors_.blue_u);
    std::swap(factors_.green_u, factors_.green_v);
  }
}

// Luma and pairs of chroma of a row that has a byte of each in turns.
const std::uint8_t* YuvRows::split(const PixelSource& s, int y) {
  const std::uint8_t* row = std::min(s.luma, s.u) + y * s.luma_stride + std::ptrdiff_t{4} * sample_;
  std::uint8_t *low = luma_.data(), *high = pairs_.data();
  if (s.u < s.luma) std::swap(low, high);
#if defined(__x86_64__)
  if (unit_ == VectorUnit::avx512_vbmi) {
    split_pairs_with_vbmi(row, 2 * samples_, low, high);
    return luma_.data() + 2 * before_;
  }
#endif
  split_pairs(as_pairs(row), 2 * samples_, low, high);
  return luma_.data() + 2 * before_;
}

// What the samples of a row add.
void YuvRows::weigh(const PixelSource& s, int row, std::uint16_t* terms) const {
  std::uint16_t *red = terms - before_, *green = red + terms_stride_, *blue = green + terms_stride_;
  if (v_first_) std::swap(red, blue);
  const std::ptrdiff_t offset = std::ptrdiff_t{sample_} * s.chroma_step;
  const std::uint8_t *u = s.u + row * s.u_stride + offset, *v = s.v + row * s.v_stride + offset;
  if (s.chroma_step == 1) {
#if defined(__x86_64__)
    if (unit_ == VectorUnit::avx512_vbmi)
      return weigh_planes_with_vbmi(factors_, u, v, samples_, red, green, blue);
#endif
    return weigh_planes(factors_, u, v, samples_, red, green, blue);
  }
  const std::uint8_t* pairs = s.luma_step > 1 ? pairs_.data() : std::min(u, v);
#if defined(__x86_64__)
  if (unit_ == VectorUnit::avx512_vbmi)
    return weigh_pairs_with_vbmi(factors_, pairs, samples_, red, green, blue);
#endif
  weigh_pairs(factors_, as_pairs(pairs), samples_, red, green, blue);
}

// Two rows of chroma serve four of luma, so that each is weighed once.
std::uint16_t* YuvRows::terms_of_row(const PixelSource& source, int row) {
  const auto place = static_cast<std::size_t>(row % 2);
  std::uint16_t* to = terms(place);
  if (held_.at(place) == row) return to;
  held_.at(place) = row;
  weigh(source, row, to);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    std::uint16_t* samples = to + channel * terms_stride_ - before_;
    samples[-1] = samples[0];
    samples[samples_] = samples[samples_ - 1];
  }
  return to;
}

const std::uint16_t* YuvRows::terms_of_rows(const PixelSource& source, const ChromaTap& rows) {
  const std::uint16_t* first = terms_of_row(source, rows.first);
  if (rows.weight == 0 || rows.second == rows.first) return first;
  const std::uint16_t* second = terms_of_row(source, rows.second);
  std::uint16_t* to = terms(2);
  const std::uint16_t* nearer = rows.weight == 1 ? first : second;
  // Whole registers from the first one on, and the sample before.
  const std::size_t skipped = cosited_ ? 0 : before_terms, count = whole_blocks(samples_ + 1) + skipped;
  for (std::size_t at = before_terms - skipped; at < 3 * terms_stride_; at += terms_stride_) {
    const auto from = [at](auto* terms) { return terms + at - before_terms; };
#if defined(__x86_64__)
    if (unit_ == VectorUnit::avx512_vbmi) {
      mix_rows_with_vbmi(from(first), from(second), rows.weight == 2 ? nullptr : from(nearer), count,
                         from(to));
      continue;
    }
#endif
    average_rows(from(first), from(second), count, from(to));
    if (rows.weight != 2) average_with(from(nearer), count, from(to));
  }
  return to;
}

// Rows are too short and too far from each other for processors to see by themselves what comes next.
std::array<YuvRows::Soon, 3> YuvRows::look_ahead(const PixelSource& s, int y) const {
  constexpr int rows_ahead = 6;  // two pages or so
  y = std::min(y + rows_ahead, s.height - 1);
  const auto left_of = [&](const std::uint8_t* plane, std::ptrdiff_t stride, int row, int columns, int step) {
    return plane + row * stride + std::ptrdiff_t{columns} * step;
  };
  const Soon luma{left_of(s.luma, s.luma_stride, y, left_, s.luma_step),
                  block * static_cast<std::size_t>(s.luma_step)};
  const bool chroma_is_there = s.luma_step > 1 || (s.half_height && y % 2 != 0);
  if (chroma_is_there) return {luma, luma, luma};
  const int row = s.half_height ? y / 2 : y;
  const std::size_t bytes = block * static_cast<std::size_t>(s.chroma_step) / (half_width_ ? 2 : 1);
  return {luma,
          {left_of(s.u, s.u_stride, row, sample_, s.chroma_step), bytes},
          {left_of(s.v, s.v_stride, row, sample_, s.chroma_step), bytes}};
}

void YuvRows::add(const PixelSource& source, int y, const Sums& first, const Sums& second) {
  const std::uint8_t* luma =
      source.luma_step > 1 ? split(source, y) : source.luma + y * source.luma_stride + left_;
  const std::uint16_t* terms = terms_of_rows(source, chroma_rows(source, y));
#if defined(__x86_64__)
  if (unit_ == VectorUnit::avx512_vbmi) {
    const auto run = !half_width_ ? add_with_vbmi<Widening::none>
                     : cosited_   ? add_with_vbmi<Widening::cosited>
                                  : add_with_vbmi<Widening::between>;
    return run(luma, columns_, factors_.luma, terms, terms_stride_, first, second, stride_,
               look_ahead(source, y));
  }
#endif
  for (std::size_t channel = 0; channel < 3; ++channel, terms += terms_stride_) {
    const std::size_t samples = (columns_ + 1) / 2;
    if (half_width_ && cosited_) {
      widen_cosited(terms, samples, wide_.data());
    } else if (half_width_) {
      average_rows(terms - 1, terms, samples + 1, averages_.data());
      widen_between(terms, averages_.data(), samples, wide_.data());
    }
    convert(luma, factors_.luma, half_width_ ? wide_.data() : terms, columns_, values_.data());
    add_weighted(values_.data(), first.weight, columns_, first.planes + channel * stride_);
    add_weighted(values_.data(), second.weight, columns_, second.planes + channel * stride_);
  }
}

void YuvRows::take(std::int16_t* sums, std::int16_t* planes) const {
#if defined(__x86_64__)
  if (unit_ == VectorUnit::avx512_vbmi && half_width_) {
    reorder_with_vbmi(sums, 3 * stride_, planes);
    return;
  }
#endif
  std::copy_n(sums, 3 * stride_, planes);
  std::fill_n(sums, 3 * stride_, std::int16_t{0});
}

}  // namespace resnet
