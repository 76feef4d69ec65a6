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

// 32 samples, each in the high byte of a word.
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

  RESNET_VBMI void run(__m512i u, __m512i v, const Channels& to, std::size_t at) const {
    const __m512i greens = _mm512_add_epi16(_mm512_mulhi_epu16(u, green_u_), _mm512_mulhi_epu16(v, green_v_));
    _mm512_storeu_si512(to.red + at, _mm512_add_epi16(red_, _mm512_mulhi_epu16(v, red_v_)));
    _mm512_storeu_si512(to.green + at, _mm512_sub_epi16(green_, greens));
    _mm512_storeu_si512(to.blue + at, _mm512_add_epi16(blue_, _mm512_mulhi_epu16(u, blue_u_)));
  }

 private:
  __m512i red_v_, green_u_, green_v_, blue_u_, red_, green_, blue_;
};

RESNET_VBMI void weigh_planes(const Factors& factors, const std::uint8_t* u, const std::uint8_t* v,
                              std::size_t count, const Channels& to) {
  const SampleWeigher weigher(factors);
  for (std::size_t i = 0; i < count; i += 32) {
    const auto mask = static_cast<__mmask32>(mask_of(count - i));
    const __m512i u_words = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, u + i)),
                  v_words = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, v + i));
    weigher.run(_mm512_slli_epi16(u_words, 8), _mm512_slli_epi16(v_words, 8), to, i);
  }
}

RESNET_VBMI void weigh_pairs(const Factors& factors, const std::uint8_t* pairs, std::size_t count,
                             const Channels& to) {
  const SampleWeigher weigher(factors);
  const __m512i high = all(0xFF00);
  for (std::size_t i = 0; i < count; i += 32) {
    const __m512i words = _mm512_maskz_loadu_epi8(mask_of(2 * (count - i)), pairs + 2 * i);
    weigher.run(_mm512_slli_epi16(words, 8), _mm512_and_si512(words, high), to, i);
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

// Every second word of two registers.
constexpr std::size_t words = register_bytes / 2;
constexpr std::array<std::uint16_t, words> turns_of_words = [] {
  std::array<std::uint16_t, words> places{};
  for (std::size_t i = 0; i < words; ++i) places[i] = static_cast<std::uint16_t>(2 * i);
  return places;
}();

RESNET_VBMI void split(const std::uint8_t* in, std::size_t count, std::uint8_t* low, std::uint8_t* high) {
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

// Blocks of columns: the even ones of each, then the odd ones.
template <Widening widening>
RESNET_VBMI void widen_columns(const std::uint16_t* in, std::size_t columns, std::uint16_t* out) {
  for (std::size_t x = 0; x < columns; x += block, in += widening == Widening::none ? block : block / 2) {
    const __m512i here = _mm512_loadu_si512(in);
    __m512i even = here, odd;
    if constexpr (widening == Widening::none) {
      const __m512i places = _mm512_loadu_si512(turns_of_words.data()), ones = all(1),
                    more = _mm512_loadu_si512(in + 32);
      even = _mm512_permutex2var_epi16(here, places, more);
      odd = _mm512_permutex2var_epi16(here, _mm512_add_epi16(places, ones), more);
    } else {
      odd = _mm512_avg_epu16(here, _mm512_loadu_si512(in + 1));
      if constexpr (widening == Widening::between) {
        even = _mm512_avg_epu16(here, _mm512_avg_epu16(here, _mm512_loadu_si512(in - 1)));
        odd = _mm512_avg_epu16(here, odd);
      }
    }
    _mm512_storeu_si512(out + x, even);
    _mm512_storeu_si512(out + x + 32, odd);
  }
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
  const __m512i factor = all(band.luma_factor), below = all(black), high = all(0xFF00);
  for (std::size_t x = 0; x < columns; x += block) {
    const __mmask64 mask = mask_of(columns - x);
    std::array<BlockSums, 3> sums;
    for (std::size_t channel = 0; channel < 3; ++channel) sums[channel].start(begun + channel * stride + x);
    for (const Parts& row : band.rows) {
      for (const Soon& plane : row.soon) plane.fetch(x);
      const __m512i bytes = _mm512_maskz_loadu_epi8(mask, row.luma + x);
      const Halves y{_mm512_mulhi_epu16(_mm512_slli_epi16(bytes, 8), factor),
                     _mm512_mulhi_epu16(_mm512_and_si512(bytes, high), factor)};
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

void widen(Widening widening, const std::uint16_t* in, std::size_t columns, std::uint16_t* terms,
           std::uint16_t*) {
  switch (widening) {
    case Widening::none:
      return widen_columns<Widening::none>(in, columns, terms);
    case Widening::cosited:
      return widen_columns<Widening::cosited>(in, columns, terms);
    case Widening::between:
      return widen_columns<Widening::between>(in, columns, terms);
  }
}

}  // namespace

const Steps& vbmi_steps() {
  static constexpr Steps steps{split, weigh_planes, weigh_pairs, widen, add};
  return steps;
}

}  // namespace resnet::yuv_rows

#else

namespace resnet::yuv_rows {

const Steps& vbmi_steps() { return portable_steps(); }

}  // namespace resnet::yuv_rows

#endif
