#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "model/interleaved_store.h"
#include "model/yuv_row_steps.h"

#if defined(__x86_64__)

namespace resnet::yuv_rows {

namespace {

RESNET_VBMI inline __m512i all(std::uint16_t value) {
  return _mm512_set1_epi16(static_cast<std::int16_t>(value));
}

// As words' high bytes.
RESNET_VBMI inline __m512i low_bytes(__m512i words) { return _mm512_slli_epi16(words, 8); }
RESNET_VBMI inline __m512i high_bytes(__m512i words) { return _mm512_and_si512(words, all(0xFF00)); }

// Three channels of 32 columns.
struct Colours {
  __m512i red, green, blue;
};

RESNET_VBMI inline Colours average(const Colours& a, const Colours& b) {
  return {_mm512_avg_epu16(a.red, b.red), _mm512_avg_epu16(a.green, b.green),
          _mm512_avg_epu16(a.blue, b.blue)};
}

// What 32 samples add to the channels.
class SampleWeigher {
 public:
  RESNET_VBMI explicit SampleWeigher(const Factors& f)
      : red_v_(all(f.red_v)),
        green_u_(all(f.green_u)),
        green_v_(all(f.green_v)),
        blue_u_(all(f.blue_u)),
        red_(all(f.red)),
        green_(all(f.green)),
        blue_(all(f.blue)) {}

  // Each in the high byte of a word.
  RESNET_VBMI Colours run(__m512i u, __m512i v) const {
    const __m512i greens = _mm512_add_epi16(_mm512_mulhi_epu16(u, green_u_), _mm512_mulhi_epu16(v, green_v_));
    return {_mm512_add_epi16(red_, _mm512_mulhi_epu16(v, red_v_)), _mm512_sub_epi16(green_, greens),
            _mm512_add_epi16(blue_, _mm512_mulhi_epu16(u, blue_u_))};
  }
  // From `u` and `v` on, or from pairs on. There are so many: beyond these no byte is read.
  RESNET_VBMI Colours run(const std::uint8_t* u, const std::uint8_t* v, std::size_t count) const {
    const auto mask = static_cast<__mmask32>(mask_of(count));
    return run(low_bytes(_mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, u))),
               low_bytes(_mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, v))));
  }
  RESNET_VBMI Colours run(const std::uint8_t* pairs, std::size_t count) const {
    const __m512i words = _mm512_maskz_loadu_epi16(static_cast<__mmask32>(mask_of(count)), pairs);
    return run(low_bytes(words), high_bytes(words));
  }

 private:
  __m512i red_v_, green_u_, green_v_, blue_u_, red_, green_, blue_;
};

// Two bytes in turns.
constexpr std::array<std::uint8_t, 2 * register_bytes> turns = [] {
  std::array<std::uint8_t, 2 * register_bytes> places{};
  for (std::size_t i = 0; i < register_bytes; ++i) {
    places[i] = static_cast<std::uint8_t>(2 * i);
    places[register_bytes + i] = static_cast<std::uint8_t>(2 * i + 1);
  }
  return places;
}();

// Bytes of up to 64 pairs.
struct BytePairs {
  __m512i low, high;
};

RESNET_VBMI inline BytePairs load_pairs(const std::uint8_t* in, std::size_t count) {
  const __m512i first = _mm512_loadu_si512(turns.data()),
                second = _mm512_loadu_si512(turns.data() + register_bytes);
  const std::size_t bytes = 2 * count;
  const __m512i a = _mm512_maskz_loadu_epi8(mask_of(bytes), in),
                b = _mm512_maskz_loadu_epi8(mask_of(bytes - std::min(bytes, register_bytes)),
                                            in + register_bytes);
  return {_mm512_permutex2var_epi8(a, first, b), _mm512_permutex2var_epi8(a, second, b)};
}

RESNET_VBMI void split(const std::uint8_t* in, std::size_t count, std::uint8_t* low, std::uint8_t* high) {
  for (std::size_t i = 0; i < count; i += block) {
    const BytePairs pairs = load_pairs(in + 2 * i, count - i);
    _mm512_storeu_si512(low + i, pairs.low);
    _mm512_storeu_si512(high + i, pairs.high);
  }
}

// Blocks of columns: the even ones of each, then the odd ones.
RESNET_VBMI inline void store_terms(const Channels& to, std::size_t at, const Colours& colours) {
  _mm512_storeu_si512(to.red + at, colours.red);
  _mm512_storeu_si512(to.green + at, colours.green);
  _mm512_storeu_si512(to.blue + at, colours.blue);
}

template <bool pairs>
RESNET_VBMI void weigh_columns(const Factors& factors, const Samples& in, std::size_t columns,
                               const Channels& to) {
  const SampleWeigher weigher(factors);
  for (std::size_t x = 0; x < columns; x += block) {
    BytePairs samples;
    if constexpr (pairs) {
      samples = load_pairs(in.u + 2 * x, columns - x);
    } else {
      const __mmask64 mask = mask_of(columns - x);
      samples = {_mm512_maskz_loadu_epi8(mask, in.u + x), _mm512_maskz_loadu_epi8(mask, in.v + x)};
    }
    store_terms(to, x, weigher.run(low_bytes(samples.low), low_bytes(samples.high)));
    store_terms(to, x + 32, weigher.run(high_bytes(samples.low), high_bytes(samples.high)));
  }
}

// 32 samples from one on.
template <bool pairs>
RESNET_VBMI inline Colours weigh(const SampleWeigher& weigher, const Samples& in, std::size_t count,
                                 std::ptrdiff_t first) {
  const auto left = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(count) - first);
  return pairs ? weigher.run(in.u + 2 * first, left) : weigher.run(in.u + first, in.v + first, left);
}

// Neighbours are weighed again: registers are not shifted by a word so quickly.
template <bool pairs, bool between>
RESNET_VBMI void weigh_and_widen(const Factors& factors, const Samples& in, std::size_t columns,
                                 const Channels& to) {
  const SampleWeigher weigher(factors);
  const std::size_t count = (columns + 1) / 2 + 1;
  for (std::size_t x = 0; x < columns; x += block) {
    const auto i = static_cast<std::ptrdiff_t>(x / 2);
    const Colours here = weigh<pairs>(weigher, in, count, i),
                  behind = average(here, weigh<pairs>(weigher, in, count, i + 1));
    if constexpr (between) {
      const Colours before = average(here, weigh<pairs>(weigher, in, count, i - 1));
      store_terms(to, x, average(here, before));
      store_terms(to, x + 32, average(here, behind));
    } else {
      store_terms(to, x, here);
      store_terms(to, x + 32, behind);
    }
  }
}

template <bool pairs>
void make_terms_of(const Factors& factors, const Samples& in, std::size_t columns, const Channels& to) {
  switch (in.widening) {
    case Widening::none:
      return weigh_columns<pairs>(factors, in, columns, to);
    case Widening::cosited:
      return weigh_and_widen<pairs, false>(factors, in, columns, to);
    case Widening::between:
      return weigh_and_widen<pairs, true>(factors, in, columns, to);
  }
}

void make_terms(const Factors& factors, const Samples& in, std::size_t columns, const Channels& to,
                std::uint16_t*) {
  (in.v == nullptr ? make_terms_of<true> : make_terms_of<false>)(factors, in, columns, to);
}

// A block's numbers of 16 bits: its even columns, and its odd ones.
struct Halves {
  __m512i even, odd;
};

template <bool mixed>
RESNET_VBMI inline __m512i load_terms(const Parts& row, std::size_t at) {
  const __m512i near = _mm512_loadu_si512(row.terms + at);
  if constexpr (!mixed) return near;
  return _mm512_avg_epu16(_mm512_avg_epu16(near, _mm512_loadu_si512(row.farther + at)), near);
}

// Two sums of a block of a channel.
struct BlockSums {
  Halves done, begun;

  RESNET_VBMI void start(const std::int16_t* before) {
    done = {_mm512_loadu_si512(before), _mm512_loadu_si512(before + 32)};
    begun = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  }

  RESNET_VBMI void add(const Halves& values, __m512i weight, __m512i next_weight) {
    done.even = _mm512_add_epi16(done.even, _mm512_mulhrs_epi16(values.even, weight));
    done.odd = _mm512_add_epi16(done.odd, _mm512_mulhrs_epi16(values.odd, weight));
    begun.even = _mm512_add_epi16(begun.even, _mm512_mulhrs_epi16(values.even, next_weight));
    begun.odd = _mm512_add_epi16(begun.odd, _mm512_mulhrs_epi16(values.odd, next_weight));
  }

  // The finished ones in the columns' order.
  RESNET_VBMI void store(std::int16_t* to, std::int16_t* begun_to) const {
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512i low = _mm512_unpacklo_epi16(done.even, done.odd),
                  high = _mm512_unpackhi_epi16(done.even, done.odd);
    _mm512_storeu_si512(to, _mm512_permutex2var_epi64(low, first, high));
    _mm512_storeu_si512(to + 32, _mm512_permutex2var_epi64(low, second, high));
    _mm512_storeu_si512(begun_to, begun.even);
    _mm512_storeu_si512(begun_to + 32, begun.odd);
  }
};

template <bool mixed>
RESNET_VBMI void add_rows(const Band& band, std::int16_t* begun, std::int16_t* done) {
  const std::size_t columns = band.columns, stride = band.stride;
  const __m512i factor = all(band.luma_factor), below = all(black);
  for (std::size_t x = 0; x < columns; x += block) {
    const __mmask64 mask = mask_of(columns - x);
    std::array<BlockSums, 3> sums;
    for (std::size_t channel = 0; channel < 3; ++channel) sums[channel].start(begun + channel * stride + x);
    for (const Parts& row : band.rows) {
      for (const Soon& plane : row.soon) plane.fetch(x);
      const __m512i bytes = _mm512_maskz_loadu_epi8(mask, row.luma + x);
      const Halves y{_mm512_mulhi_epu16(low_bytes(bytes), factor),
                     _mm512_mulhi_epu16(high_bytes(bytes), factor)};
      const __m512i weight = _mm512_set1_epi32(row.weight), next_weight = _mm512_set1_epi32(row.next_weight);
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::size_t at = channel * stride + x;
        const __m512i even = load_terms<mixed>(row, at), odd = load_terms<mixed>(row, at + 32);
        sums[channel].add({_mm512_subs_epu16(_mm512_adds_epu16(y.even, even), below),
                           _mm512_subs_epu16(_mm512_adds_epu16(y.odd, odd), below)},
                          weight, next_weight);
      }
    }
    for (std::size_t channel = 0; channel < 3; ++channel)
      sums[channel].store(done + channel * stride + x, begun + channel * stride + x);
  }
}

void add(const Band& band, std::int16_t* begun, std::int16_t* done, std::uint16_t*) {
  const bool mixed = !band.rows.empty() && band.rows.front().farther != nullptr;
  (mixed ? add_rows<true> : add_rows<false>)(band, begun, done);
}

}  // namespace

const Steps& vbmi_steps() {
  static constexpr Steps steps{split, make_terms, add};
  return steps;
}

}  // namespace resnet::yuv_rows

#else

namespace resnet::yuv_rows {

const Steps& vbmi_steps() { return portable_steps(); }

}  // namespace resnet::yuv_rows

#endif
