#include "model/rgb_rows.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define RESNET_AVX2 __attribute__((target("avx2")))
#endif

namespace resnet {

namespace {

// AVX2 multiplies 16-bit factors: w = high · 2^half_bits + low. A group's four taps lie in the places of the
// products that they are factors of (`pick` in run_with_avx2), 16 high parts before 16 low ones.
constexpr int half_bits = 11;
constexpr std::size_t halves_of_group = 32;

// VNNI multiplies 8-bit ones: w = high · 2^16 + middle · 2^8 + low, each from −128 to 127. Two outputs share
// a register: a group has 32 high parts, 16 of each output, then 32 middle ones and 32 low ones.
constexpr std::size_t thirds_of_group = 96;

std::size_t groups_of(const Coefficients& columns) {
  const std::int32_t most = *std::max_element(columns.count.begin(), columns.count.end());
  return (static_cast<std::size_t>(most) + 3) / 4;
}

}  // namespace

VectorUnit best_vector_unit() {
#if defined(__x86_64__)
  static const VectorUnit best = [] {
    if (!__builtin_cpu_supports("avx2")) return VectorUnit::none;
    const bool vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl");
    return vnni ? VectorUnit::avx512_vnni : VectorUnit::avx2;
  }();
  return best;
#else
  return VectorUnit::none;
#endif
}

RowNarrower::RowNarrower(const Coefficients& columns, VectorUnit unit) : columns_(&columns), unit_(unit) {
  if (unit == VectorUnit::none) return;
  const std::size_t outputs = columns.first.size();
  const auto bytes = std::ptrdiff_t{3} * (columns.end() - columns.begin());
  groups_ = groups_of(columns);
  if (unit == VectorUnit::avx2) halves_.resize(outputs * groups_ * halves_of_group);
  if (unit == VectorUnit::avx512_vnni) thirds_.resize((outputs + 1) / 2 * groups_ * thirds_of_group);
  for (std::size_t x = 0; x < outputs; ++x) {
    const auto count = static_cast<std::size_t>(columns.count[x]);
    const std::int32_t* weights = &columns.weights[x * static_cast<std::size_t>(columns.taps)];
    for (std::size_t tap = 0; tap < count; tap += 4) pack(x, tap / 4, weights + tap, count - tap);
    const std::ptrdiff_t start = std::ptrdiff_t{3} * (columns.first[x] - columns.begin());
    const std::ptrdiff_t end = start + 12 * static_cast<std::ptrdiff_t>(groups_ - 1) + 16;
    if (wide_ == x && x + 1 < outputs && end <= bytes) ++wide_;
  }
}

// A group's weights, of which `count` are there.
void RowNarrower::pack(std::size_t output, std::size_t group, const std::int32_t* weights,
                       std::size_t count) {
  for (std::size_t tap = 0; tap < std::min<std::size_t>(count, 4); ++tap) {
    const std::int32_t weight = weights[tap];
    const auto low = static_cast<std::int8_t>(weight & 255);
    const std::int32_t rest = (weight - low) / 256;
    const auto middle = static_cast<std::int8_t>(rest & 255);
    for (std::size_t channel = 0; channel < 3; ++channel) {
      if (unit_ == VectorUnit::avx2) {
        std::int16_t* to = &halves_[(output * groups_ + group) * halves_of_group];
        const std::size_t place = (tap / 2) * 8 + channel * 2 + tap % 2;
        to[place] = static_cast<std::int16_t>(weight >> half_bits);
        to[16 + place] = static_cast<std::int16_t>(weight & ((1 << half_bits) - 1));
      } else {
        std::int8_t* to = &thirds_[(output / 2 * groups_ + group) * thirds_of_group + output % 2 * 16];
        const std::size_t place = channel * 4 + tap;
        to[place] = static_cast<std::int8_t>((rest - middle) / 256);
        to[32 + place] = middle;
        to[64 + place] = low;
      }
    }
  }
}

void RowNarrower::run(const std::uint8_t* row, std::uint8_t* to) const {
  std::size_t done = 0;
  if (unit_ == VectorUnit::avx512_vnni) done = run_with_vnni(row, to);
  if (unit_ == VectorUnit::avx2) done = run_with_avx2(row, to);
  run_portably(done, row, to);
}

void RowNarrower::run_portably(std::size_t from, const std::uint8_t* row, std::uint8_t* to) const {
  const Coefficients& c = *columns_;
  to += 3 * from;
  for (std::size_t x = from; x < c.first.size(); ++x, to += 3) {
    const std::int32_t* weight = &c.weights[x * static_cast<std::size_t>(c.taps)];
    const std::uint8_t* pixel = row + std::ptrdiff_t{3} * (c.first[x] - c.begin());
    std::int32_t red = coefficient_half, green = coefficient_half, blue = coefficient_half;
    for (std::int32_t k = 0; k < c.count[x]; ++k, pixel += 3) {
      red += pixel[0] * weight[k];
      green += pixel[1] * weight[k];
      blue += pixel[2] * weight[k];
    }
    to[0] = clip_coefficient_sum(red);
    to[1] = clip_coefficient_sum(green);
    to[2] = clip_coefficient_sum(blue);
  }
}

#if defined(__x86_64__)

// Four pixels at a time, as 16-bit pairs of neighbours for each channel: one multiplication and addition sums
// two taps of all channels in each half of the register.
RESNET_AVX2 std::size_t RowNarrower::run_with_avx2(const std::uint8_t* row, std::uint8_t* to) const {
  const __m256i pick = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                        6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const __m128i half = _mm_set1_epi32(coefficient_half);
  const std::int32_t begin = columns_->begin();
  const auto* weights = reinterpret_cast<const __m256i*>(halves_.data());
  for (std::size_t x = 0; x < wide_; ++x, to += 3) {
    const std::uint8_t* from = row + std::ptrdiff_t{3} * (columns_->first[x] - begin);
    __m256i high = _mm256_setzero_si256(), low = _mm256_setzero_si256();
    for (std::size_t group = 0; group < groups_; ++group, from += 12, weights += 2) {
      const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      const __m256i pairs = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(four), pick);
      high = _mm256_add_epi32(high, _mm256_madd_epi16(pairs, _mm256_loadu_si256(weights)));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(pairs, _mm256_loadu_si256(weights + 1)));
    }
    const __m256i sums = _mm256_add_epi32(_mm256_slli_epi32(high, half_bits), low);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, half), coefficient_bits);
    sum = _mm_packus_epi32(sum, sum);
    const std::int32_t pixel = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
    std::memcpy(to, &pixel, sizeof pixel);  // the fourth byte is the next output's
  }
  return wide_;
}

// Two outputs at a time, each in a half of the register: four taps of a channel lie side by side, and one
// instruction multiplies and sums them.
__attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vnni"))) std::size_t RowNarrower::run_with_vnni(
    const std::uint8_t* row, std::uint8_t* to) const {
  const __m256i pick =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
  const __m256i half = _mm256_set1_epi32(coefficient_half);
  const std::int32_t begin = columns_->begin();
  const auto* weights = reinterpret_cast<const __m256i*>(thirds_.data());
  std::size_t x = 0;
  for (; x + 2 <= wide_; x += 2, to += 6) {
    const std::uint8_t* first = row + std::ptrdiff_t{3} * (columns_->first[x] - begin);
    const std::uint8_t* second = row + std::ptrdiff_t{3} * (columns_->first[x + 1] - begin);
    __m256i high = _mm256_setzero_si256(), middle = high, low = half;
    for (std::size_t group = 0; group < groups_; ++group, first += 12, second += 12, weights += 3) {
      const __m256i four = _mm256_inserti128_si256(
          _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first))),
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(second)), 1);
      const __m256i taps = _mm256_shuffle_epi8(four, pick);
      high = _mm256_dpbusd_epi32(high, taps, _mm256_loadu_si256(weights));
      middle = _mm256_dpbusd_epi32(middle, taps, _mm256_loadu_si256(weights + 1));
      low = _mm256_dpbusd_epi32(low, taps, _mm256_loadu_si256(weights + 2));
    }
    __m256i sums = _mm256_add_epi32(_mm256_slli_epi32(high, 16), _mm256_slli_epi32(middle, 8));
    sums = _mm256_srai_epi32(_mm256_add_epi32(sums, low), coefficient_bits);
    sums = _mm256_packus_epi32(sums, sums);
    sums = _mm256_packus_epi16(sums, sums);
    const std::int32_t left = _mm_cvtsi128_si32(_mm256_castsi256_si128(sums));
    const std::int32_t right = _mm_cvtsi128_si32(_mm256_extracti128_si256(sums, 1));
    std::memcpy(to, &left, sizeof left);  // the fourth byte is the next output's
    std::memcpy(to + 3, &right, sizeof right);
  }
  return x;
}

namespace {

// 16 pixels a step. @return how many are done
RESNET_AVX2 std::size_t interleave_with_avx2(const std::uint8_t* red, const std::uint8_t* green,
                                             const std::uint8_t* blue, std::size_t count, std::uint8_t* to) {
  // Byte b of the 48 is channel b % 3 of pixel b / 3.
  alignas(16) std::array<std::array<std::int8_t, 16>, 9> masks{};
  for (int b = 0; b < 48; ++b) {
    for (int channel = 0; channel < 3; ++channel) {
      masks[static_cast<std::size_t>(b / 16 * 3 + channel)][static_cast<std::size_t>(b % 16)] =
          static_cast<std::int8_t>(b % 3 == channel ? b / 3 : -1);
    }
  }
  __m128i picks[9];
  for (std::size_t i = 0; i < 9; ++i) picks[i] = _mm_load_si128(reinterpret_cast<const __m128i*>(&masks[i]));
  std::size_t done = 0;
  for (; done + 16 <= count; done += 16, to += 48) {
    const __m128i r = _mm_loadu_si128(reinterpret_cast<const __m128i*>(red + done));
    const __m128i g = _mm_loadu_si128(reinterpret_cast<const __m128i*>(green + done));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(blue + done));
    for (std::size_t part = 0; part < 3; ++part) {
      const __m128i pixels = _mm_or_si128(
          _mm_or_si128(_mm_shuffle_epi8(r, picks[3 * part]), _mm_shuffle_epi8(g, picks[3 * part + 1])),
          _mm_shuffle_epi8(b, picks[3 * part + 2]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * part), pixels);
    }
  }
  return done;
}

// Four pixels a step, read and written in blocks of 16 bytes. @return how many are done
RESNET_AVX2 std::size_t repack_with_avx2(const std::uint8_t* pixels, const PackedLayout& layout,
                                         std::size_t count, std::uint8_t* to) {
  alignas(16) std::array<std::int8_t, 16> mask{};
  mask.fill(-1);
  for (int i = 0; i < 4; ++i) {
    const auto place = static_cast<std::size_t>(3 * i);
    mask[place] = static_cast<std::int8_t>(i * layout.step + layout.red);
    mask[place + 1] = static_cast<std::int8_t>(i * layout.step + layout.green);
    mask[place + 2] = static_cast<std::int8_t>(i * layout.step + layout.blue);
  }
  const __m128i pick = _mm_load_si128(reinterpret_cast<const __m128i*>(mask.data()));
  const auto step = static_cast<std::size_t>(layout.step);
  std::size_t done = 0;
  // Two pixels more than four: what is read and written beyond them is theirs.
  for (; done + 6 <= count; done += 4) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels + done * step));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 3 * done), _mm_shuffle_epi8(block, pick));
  }
  return done;
}

}  // namespace

#else

std::size_t RowNarrower::run_with_avx2(const std::uint8_t*, std::uint8_t*) const { return 0; }
std::size_t RowNarrower::run_with_vnni(const std::uint8_t*, std::uint8_t*) const { return 0; }

#endif

void interleave(const std::uint8_t* red, const std::uint8_t* green, const std::uint8_t* blue,
                std::size_t count, std::uint8_t* to) {
  std::size_t i = 0;
#if defined(__x86_64__)
  if (best_vector_unit() != VectorUnit::none) i = interleave_with_avx2(red, green, blue, count, to);
#endif
  for (; i < count; ++i) {
    to[3 * i] = red[i];
    to[3 * i + 1] = green[i];
    to[3 * i + 2] = blue[i];
  }
}

void repack(const std::uint8_t* pixels, const PackedLayout& layout, std::size_t count, std::uint8_t* to) {
  std::size_t i = 0;
#if defined(__x86_64__)
  if (best_vector_unit() != VectorUnit::none) i = repack_with_avx2(pixels, layout, count, to);
#endif
  pixels += i * static_cast<std::size_t>(layout.step);
  for (; i < count; ++i, pixels += layout.step) {
    to[3 * i] = pixels[layout.red];
    to[3 * i + 1] = pixels[layout.green];
    to[3 * i + 2] = pixels[layout.blue];
  }
}

}  // namespace resnet
