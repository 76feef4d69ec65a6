#include "model/sum_narrower.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/interleaved_store.h"
#include "model/yuv_rows.h"

namespace resnet {

namespace {

constexpr int result_bits = 21;
constexpr std::int32_t result_half = 1 << (result_bits - 1);

// What the weights of an output come to: sums in parts of a step become steps.
const double weight_unit =
    std::ldexp(1, result_bits) / parts_of_step * (1 << row_weight_bits) / row_weight_unit;

constexpr std::size_t words = 32;  // of a register
constexpr std::size_t group_outputs = 16;
constexpr std::size_t any_number = 0;

}  // namespace

void scale_weights(const Coefficients& c, std::size_t output, double unit, std::int16_t* to) {
  const std::int32_t* weights = &c.weights[output * static_cast<std::size_t>(c.taps)];
  const auto count = static_cast<std::size_t>(c.count[output]);
  double total = 0;
  for (std::size_t k = 0; k < count; ++k) total += weights[k];
  // Each is what the sum gains, so that no error adds up.
  double sum = 0;
  long before = 0;
  for (std::size_t k = 0; k < count; ++k) {
    sum += weights[k];
    const long now = std::lround(sum / total * unit);
    to[k] = static_cast<std::int16_t>(now - before);
    before = now;
  }
}

SumNarrower::SumNarrower(const Coefficients& columns, int left, std::size_t stride, VectorUnit unit)
    : outputs_(columns.first.size()), stride_(stride) {
  const std::int32_t most = *std::max_element(columns.count.begin(), columns.count.end());
  pairs_ = static_cast<std::size_t>(most) / 2 + 1;  // from an even column on
  taps_ = (static_cast<std::size_t>(most) + 7) / 8 * 8;
  weights_.resize(outputs_ * taps_);
  for (std::size_t x = 0; x < outputs_; ++x) {
    first_.push_back(static_cast<std::size_t>(columns.first[x] - left));
    scale_weights(columns, x, weight_unit, &weights_[x * taps_]);
  }
  if (unit == VectorUnit::avx512_vbmi && !make_groups(columns)) groups_.clear();
}

// @return false where an output has more inputs than there is room for
bool SumNarrower::make_groups(const Coefficients& c) {
  for (std::size_t x = 0; x < outputs_;) {
    const Group group{x, first_[x] / 2 * 2};
    const std::size_t at = blocks_.size();
    blocks_.resize(at + pairs_ * 2 * group_outputs);
    for (; x < outputs_ && x - group.begin < group_outputs; ++x) {
      const std::size_t start = first_[x] - group.offset, count = static_cast<std::size_t>(c.count[x]);
      if (start + count > 2 * words) break;
      const auto weight = [&](std::size_t column) {
        return column >= start && column < start + count ? weights_[x * taps_ + column - start]
                                                         : std::int16_t{0};
      };
      for (std::size_t pair = 0; pair < pairs_; ++pair) {
        const std::size_t column = start / 2 * 2 + 2 * pair;
        Pair* to = &blocks_[at + pair * 2 * group_outputs + x - group.begin];
        to[0] = {static_cast<std::int16_t>(column / 2), 0};
        to[group_outputs] = {weight(column), weight(column + 1)};
      }
    }
    if (x == group.begin) return false;
    groups_.push_back(group);
  }
  return true;
}

void SumNarrower::run(const std::int16_t* planes, std::uint8_t* to) const {
  if (!groups_.empty()) return run_with_vbmi(planes, to);
  run_portably(planes, to);
}

#if defined(__x86_64__)

namespace {

// Every x86-64 has these instructions: eight products, added in pairs.
__m128i multiply(__m128i sum, const std::int16_t* in, __m128i weights) {
  return _mm_add_epi32(sum, _mm_madd_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in)), weights));
}

// The sums of a's four numbers, b's and c's.
__m128i add_up(__m128i a, __m128i b, __m128i c) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
  const __m128i c0 = _mm_add_epi32(_mm_unpacklo_epi32(c, zero), _mm_unpackhi_epi32(c, zero));
  return _mm_add_epi32(_mm_unpacklo_epi64(ab, c0), _mm_unpackhi_epi64(ab, c0));
}

}  // namespace

void SumNarrower::run_portably(const std::int16_t* planes, std::uint8_t* to) const {
  const std::int16_t* weights = weights_.data();
  const __m128i half = _mm_set1_epi32(result_half);
  for (std::size_t x = 0; x < outputs_; ++x, to += 3) {
    const std::int16_t* in = planes + first_[x];
    __m128i red = _mm_setzero_si128(), green = red, blue = red;
    for (std::size_t tap = 0; tap < taps_; tap += 8, weights += 8, in += 8) {
      const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights));
      red = multiply(red, in, eight);
      green = multiply(green, in + stride_, eight);
      blue = multiply(blue, in + 2 * stride_, eight);
    }
    __m128i pixel = _mm_srai_epi32(_mm_add_epi32(add_up(red, green, blue), half), result_bits);
    pixel = _mm_packs_epi32(pixel, pixel);
    const std::int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(pixel, pixel));
    std::memcpy(to, &bytes, 3);
  }
}

#else

void SumNarrower::run_portably(const std::int16_t* planes, std::uint8_t* to) const {
  const std::int16_t* weights = weights_.data();
  for (std::size_t x = 0; x < outputs_; ++x, weights += taps_, to += 3) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const std::int16_t* in = planes + channel * stride_ + first_[x];
      std::int32_t sum = result_half;
      for (std::size_t tap = 0; tap < taps_; ++tap) sum += in[tap] * weights[tap];
      to[channel] = static_cast<std::uint8_t>(std::clamp(sum >> result_bits, 0, 255));
    }
  }
}

#endif

#if defined(__x86_64__)

namespace {

// 16 outputs of a channel. Any pairs of words of two registers come together in one instruction, and the
// products of two are added in another.
class PairWindow {
 public:
  RESNET_VBMI explicit PairWindow(const std::int16_t* from)
      : first_(_mm512_loadu_si512(from)), second_(_mm512_loadu_si512(from + words)) {}

  RESNET_VBMI void add(__m512i places, __m512i weights) {
    sums_ = _mm512_dpwssd_epi32(sums_, _mm512_permutex2var_epi32(first_, places, second_), weights);
  }

  RESNET_VBMI __m512i pixels() const { return _mm512_srai_epi32(sums_, result_bits); }

 private:
  __m512i first_, second_, sums_ = _mm512_set1_epi32(result_half);
};

// As a value in a register, which is otherwise loaded for each use.
RESNET_VBMI inline __m512i keep(__m512i value) {
  asm("" : "+v"(value));
  return value;
}

}  // namespace

// What is written beyond a group is the next one's.
template <std::size_t pairs>
RESNET_VBMI void SumNarrower::run_groups(const std::int16_t* planes, std::uint8_t* to) const {
  const std::size_t bytes = 3 * outputs_, count = pairs == any_number ? pairs_ : pairs;
  const Pair* block = blocks_.data();
  for (const Group& group : groups_) {
    const std::int16_t* from = planes + group.offset;
    PairWindow red(from), green(from + stride_), blue(from + 2 * stride_);
    for (std::size_t pair = 0; pair < count; ++pair, block += 2 * group_outputs) {
      const __m512i places = keep(_mm512_loadu_si512(block)),
                    weights = keep(_mm512_loadu_si512(block + group_outputs));
      red.add(places, weights);
      green.add(places, weights);
      blue.add(places, weights);
    }
    const std::size_t at = 3 * group.begin;
    store_pixels(to + at, bytes - at, red.pixels(), green.pixels(), blue.pixels());
  }
}

// Loops of a known length keep their sums in the same registers, and take three quarters of the time.
void SumNarrower::run_with_vbmi(const std::int16_t* planes, std::uint8_t* to) const {
  switch (pairs_) {
    case 3:
      return run_groups<3>(planes, to);
    case 4:
      return run_groups<4>(planes, to);
    case 5:
      return run_groups<5>(planes, to);
    default:
      return run_groups<any_number>(planes, to);
  }
}

#else

void SumNarrower::run_with_vbmi(const std::int16_t*, std::uint8_t*) const {}

#endif

}  // namespace resnet
