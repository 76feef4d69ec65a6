#include "model/row_narrower.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "model/interleaved_store.h"

namespace resnet {

namespace {

// AVX2 multiplies 16-bit factors: w = high · 2^half_bits + low. A quartet's taps lie in the places of the
// products that they are factors of (`pick` in run_with_avx2), 16 high parts before 16 low ones.
constexpr int half_bits = 11;
constexpr std::size_t halves_of_quartet = 32;

// VNNI multiplies 8-bit ones: w = high · 2^16 + middle · 2^8 + low, each from −128 to 127.
struct Thirds {
  std::int8_t high, middle, low;
};
Thirds split(std::int32_t weight) {
  const auto low = static_cast<std::int8_t>(weight & 255);
  const std::int32_t rest = (weight - low) / 256;
  const auto middle = static_cast<std::int8_t>(rest & 255);
  return {static_cast<std::int8_t>((rest - middle) / 256), middle, low};
}

constexpr std::size_t line_bytes = 64;  // of the caches

// A quartet of 16 sums: the places of four bytes of the window for each sum, and their weights' thirds.
constexpr std::size_t block_bytes = 4 * register_bytes;

}  // namespace

RowNarrower::RowNarrower(const Coefficients& columns, const ChannelLayout& layout, VectorUnit unit)
    : columns_(&columns), layout_(layout), unit_(unit) {
  const std::int32_t most = *std::max_element(columns.count.begin(), columns.count.end());
  quartets_ = (static_cast<std::size_t>(most) + 3) / 4;
  if (unit_ == VectorUnit::avx512_vbmi) {
    if (make_groups(register_bytes) || make_groups(2 * register_bytes)) return;
    unit_ = VectorUnit::avx2;  // a picture many times too wide
  }
  const auto in_columns = static_cast<std::size_t>(columns.end() - columns.begin());
  if (layout_.is_planar()) {
    pixels_.resize(3 * in_columns);
    layout_ = ChannelLayout{};
  }
  if (unit_ == VectorUnit::avx2) make_pairs();
}

// Weights for run_with_avx2.
void RowNarrower::make_pairs() {
  const Coefficients& c = *columns_;
  const std::size_t outputs = c.first.size();
  const auto bytes =
      static_cast<std::ptrdiff_t>(layout_.row_bytes(static_cast<std::size_t>(c.end() - c.begin())));
  halves_.resize(outputs * quartets_ * halves_of_quartet);
  for (std::size_t x = 0; x < outputs; ++x) {
    const auto count = static_cast<std::size_t>(c.count[x]);
    for (std::size_t tap = 0; tap < count; ++tap) {
      const std::int32_t weight = c.weights[x * static_cast<std::size_t>(c.taps) + tap];
      std::int16_t* to = &halves_[(x * quartets_ + tap / 4) * halves_of_quartet];
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::size_t place = tap % 4 / 2 * 8 + channel * 2 + tap % 2;
        to[place] = static_cast<std::int16_t>(weight >> half_bits);
        to[16 + place] = static_cast<std::int16_t>(weight & ((1 << half_bits) - 1));
      }
    }
    const std::ptrdiff_t step = layout_.step;
    const std::ptrdiff_t last_block =
        step * (c.first[x] - c.begin() + 4 * (static_cast<std::ptrdiff_t>(quartets_) - 1));
    if (wide_ == x && x + 1 < outputs && last_block + 16 <= bytes) ++wide_;
  }
}

// Groups for run_with_vbmi, of as many outputs as a register has sums for.
// @return false where their taps lie further apart than `window` bytes
bool RowNarrower::make_groups(std::size_t window) {
  const Coefficients& c = *columns_;
  const std::size_t outputs = c.first.size(), most = layout_.is_planar() ? 16 : 5;
  const std::ptrdiff_t step = layout_.step, row = step * (c.end() - c.begin());
  // Of two registers rather fewer outputs than none.
  const bool may_split = window > register_bytes;
  groups_.clear();
  for (std::size_t x = 0; x < outputs;) {
    Group group;
    group.begin = x;
    group.offset = step * (c.first[x] - c.begin());
    const auto fits = [&](std::size_t output) {
      const std::ptrdiff_t end = step * (c.first[output] + c.count[output] - c.begin());
      return end - group.offset <= static_cast<std::ptrdiff_t>(window);
    };
    while (x < outputs && x - group.begin < most && fits(x)) ++x;
    group.end = x;
    if (group.begin == x || (!may_split && x < outputs && x - group.begin < most)) return false;
    const auto left = static_cast<std::size_t>(row - group.offset);
    group.first_mask = mask_of(left);
    group.second_mask = mask_of(left - std::min(left, register_bytes));
    groups_.push_back(group);
  }
  window_ = window;
  blocks_.assign(groups_.size() * quartets_ * block_bytes, 0);
  for (std::size_t i = 0; i < groups_.size(); ++i) pack(groups_[i], &blocks_[i * quartets_ * block_bytes]);
  return true;
}

// The places and weights of a group.
void RowNarrower::pack(const Group& group, std::uint8_t* blocks) const {
  const Coefficients& c = *columns_;
  const std::array channels{layout_.red, layout_.green, layout_.blue};
  const std::size_t sums = layout_.is_planar() ? 1 : 3;  // of an output
  for (std::size_t x = group.begin; x < group.end; ++x) {
    const std::ptrdiff_t start = std::ptrdiff_t{layout_.step} * (c.first[x] - c.begin()) - group.offset;
    for (std::size_t tap = 0; tap < static_cast<std::size_t>(c.count[x]); ++tap) {
      const Thirds thirds = split(c.weights[x * static_cast<std::size_t>(c.taps) + tap]);
      for (std::size_t sum = 0; sum < sums; ++sum) {
        const std::ptrdiff_t channel = layout_.is_planar() ? 0 : channels.at(sum);
        std::uint8_t* block = blocks + tap / 4 * block_bytes + ((x - group.begin) * sums + sum) * 4 + tap % 4;
        block[0] =
            static_cast<std::uint8_t>(start + static_cast<std::ptrdiff_t>(tap) * layout_.step + channel);
        block[register_bytes] = static_cast<std::uint8_t>(thirds.high);
        block[2 * register_bytes] = static_cast<std::uint8_t>(thirds.middle);
        block[3 * register_bytes] = static_cast<std::uint8_t>(thirds.low);
      }
    }
  }
}

namespace {

#if defined(__x86_64__)

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

#endif

// Planes of red, green and blue as pixels.
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

}  // namespace

void RowNarrower::run(const std::uint8_t* row, std::uint8_t* to, const std::uint8_t* soon) {
  if (soon != nullptr) {
    const auto columns = static_cast<std::size_t>(columns_->end() - columns_->begin());
    for (std::size_t at = 0; at < layout_.row_bytes(columns); at += line_bytes) __builtin_prefetch(soon + at);
  }
  if (unit_ == VectorUnit::avx512_vbmi) return run_with_vbmi(row, to);
  if (!pixels_.empty()) {
    const std::size_t count = pixels_.size() / 3;
    interleave(row, row + count, row + 2 * count, count, pixels_.data());
    row = pixels_.data();
  }
  run_portably(unit_ == VectorUnit::avx2 ? run_with_avx2(row, to) : 0, row, to);
}

void RowNarrower::run_portably(std::size_t from, const std::uint8_t* row, std::uint8_t* to) const {
  const Coefficients& c = *columns_;
  to += 3 * from;
  for (std::size_t x = from; x < c.first.size(); ++x, to += 3) {
    const std::int32_t* weight = &c.weights[x * static_cast<std::size_t>(c.taps)];
    const std::uint8_t* pixel = row + std::ptrdiff_t{layout_.step} * (c.first[x] - c.begin());
    std::int32_t red = coefficient_half, green = coefficient_half, blue = coefficient_half;
    for (std::int32_t k = 0; k < c.count[x]; ++k, pixel += layout_.step) {
      red += pixel[layout_.red] * weight[k];
      green += pixel[layout_.green] * weight[k];
      blue += pixel[layout_.blue] * weight[k];
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
  alignas(32) std::array<std::int8_t, 32> places{};
  places.fill(-1);
  const std::array channels{layout_.red, layout_.green, layout_.blue};
  for (std::size_t tap = 0; tap < 4; ++tap) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      places[tap / 2 * 16 + channel * 4 + tap % 2 * 2] =
          static_cast<std::int8_t>(static_cast<int>(tap) * layout_.step + channels[channel]);
    }
  }
  const __m256i pick = _mm256_load_si256(reinterpret_cast<const __m256i*>(places.data()));
  const __m128i half = _mm_set1_epi32(coefficient_half);
  const std::int32_t begin = columns_->begin();
  const std::ptrdiff_t step = layout_.step;
  const auto* weights = reinterpret_cast<const __m256i*>(halves_.data());
  for (std::size_t x = 0; x < wide_; ++x, to += 3) {
    const std::uint8_t* from = row + step * (columns_->first[x] - begin);
    __m256i high = _mm256_setzero_si256(), low = _mm256_setzero_si256();
    for (std::size_t quartet = 0; quartet < quartets_; ++quartet, from += 4 * step, weights += 2) {
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

namespace {

// Any bytes of a register or two come together in one instruction, and the products of four are summed in
// another.
template <bool two_registers>
class Window {
 public:
  RESNET_VBMI Window(const std::uint8_t* from, std::uint64_t first_mask, std::uint64_t second_mask)
      : first_(_mm512_maskz_loadu_epi8(first_mask, from)), second_(_mm512_setzero_si512()) {
    if constexpr (two_registers) second_ = _mm512_maskz_loadu_epi8(second_mask, from + register_bytes);
  }

  /// A quartet of each of 16 sums.
  RESNET_VBMI void add(const std::uint8_t* block) {
    const __m512i places = _mm512_loadu_si512(block);
    const __m512i taps = two_registers ? _mm512_permutex2var_epi8(first_, places, second_)
                                       : _mm512_permutexvar_epi8(places, first_);
    high_ = _mm512_dpbusd_epi32(high_, taps, _mm512_loadu_si512(block + register_bytes));
    middle_ = _mm512_dpbusd_epi32(middle_, taps, _mm512_loadu_si512(block + 2 * register_bytes));
    low_ = _mm512_dpbusd_epi32(low_, taps, _mm512_loadu_si512(block + 3 * register_bytes));
  }

  /// What is to be held to 0…255.
  RESNET_VBMI __m512i pixels() const {
    const __m512i higher = _mm512_add_epi32(_mm512_slli_epi32(high_, 16), _mm512_slli_epi32(middle_, 8));
    return _mm512_srai_epi32(_mm512_add_epi32(higher, low_), coefficient_bits);
  }

 private:
  __m512i first_, second_;
  __m512i high_ = _mm512_setzero_si512(), middle_ = _mm512_setzero_si512(),
          low_ = _mm512_set1_epi32(coefficient_half);
};

template <bool two_registers, typename Group>
RESNET_VBMI void run_packed(const std::vector<Group>& groups, std::size_t quartets, const std::uint8_t* block,
                            const std::uint8_t* row, std::uint8_t* to, std::size_t bytes) {
  for (const Group& group : groups) {
    Window<two_registers> window(row + group.offset, group.first_mask, group.second_mask);
    for (std::size_t quartet = 0; quartet < quartets; ++quartet, block += block_bytes) window.add(block);
    const std::size_t at = 3 * group.begin;
    store(to + at, bytes - at,
          _mm512_cvtusepi32_epi8(_mm512_max_epi32(window.pixels(), _mm512_setzero_si512())));
  }
}

template <bool two_registers, typename Group>
RESNET_VBMI void run_planes(const std::vector<Group>& groups, std::size_t quartets, const std::uint8_t* block,
                            const std::uint8_t* row, std::size_t plane, std::uint8_t* to, std::size_t bytes) {
  for (const Group& group : groups) {
    const std::uint8_t* from = row + group.offset;
    Window<two_registers> red(from, group.first_mask, group.second_mask);
    Window<two_registers> green(from + plane, group.first_mask, group.second_mask);
    Window<two_registers> blue(from + 2 * plane, group.first_mask, group.second_mask);
    for (std::size_t quartet = 0; quartet < quartets; ++quartet, block += block_bytes) {
      red.add(block);
      green.add(block);
      blue.add(block);
    }
    const std::size_t at = 3 * group.begin;
    store_pixels(to + at, bytes - at, red.pixels(), green.pixels(), blue.pixels());
  }
}

}  // namespace

// What is written beyond a group is the next one's.
void RowNarrower::run_with_vbmi(const std::uint8_t* row, std::uint8_t* to) const {
  const std::size_t bytes = 3 * columns_->first.size();
  const auto plane = static_cast<std::size_t>(columns_->end() - columns_->begin());
  const bool two = window_ > register_bytes;
  const std::uint8_t* blocks = blocks_.data();
  if (layout_.is_planar()) {
    (two ? run_planes<true, Group> : run_planes<false, Group>)(groups_, quartets_, blocks, row, plane, to,
                                                               bytes);
  } else {
    (two ? run_packed<true, Group> : run_packed<false, Group>)(groups_, quartets_, blocks, row, to, bytes);
  }
}

#else

std::size_t RowNarrower::run_with_avx2(const std::uint8_t*, std::uint8_t*) const { return 0; }
void RowNarrower::run_with_vbmi(const std::uint8_t*, std::uint8_t*) const {}

#endif

}  // namespace resnet
