#include "model/yuv_row_steps.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "model/vectorise.h"

namespace resnet::yuv_rows {

namespace {

/// Two bytes wherever they lie, the first one low.
using Pair [[gnu::aligned(1), gnu::may_alias]] = std::uint16_t;

const Pair* as_pairs(const std::uint8_t* bytes) { return reinterpret_cast<const Pair*>(bytes); }

std::uint16_t product(std::uint16_t a, std::uint16_t b) {
  return static_cast<std::uint16_t>((std::uint32_t{a} * b) >> 16);
}

RESNET_VECTORISE void weigh_planes(const Factors& factors, const std::uint8_t* u, const std::uint8_t* v,
                                   std::size_t count, const Channels& to) {
  const Factors f = factors;
  std::uint16_t* __restrict red = to.red, * __restrict green = to.green, * __restrict blue = to.blue;
  for (std::size_t i = 0; i < count; ++i) {
    const auto high_u = static_cast<std::uint16_t>(u[i] << 8), high_v = static_cast<std::uint16_t>(v[i] << 8);
    red[i] = static_cast<std::uint16_t>(f.red + product(high_v, f.red_v));
    green[i] = static_cast<std::uint16_t>(f.green - product(high_u, f.green_u) - product(high_v, f.green_v));
    blue[i] = static_cast<std::uint16_t>(f.blue + product(high_u, f.blue_u));
  }
}

RESNET_VECTORISE void weigh_pairs(const Factors& factors, const std::uint8_t* bytes, std::size_t count,
                                  const Channels& to) {
  const Factors f = factors;
  const Pair* pairs = as_pairs(bytes);
  std::uint16_t* __restrict red = to.red, * __restrict green = to.green, * __restrict blue = to.blue;
  for (std::size_t i = 0; i < count; ++i) {
    const auto u = static_cast<std::uint16_t>(pairs[i] << 8),
               v = static_cast<std::uint16_t>(pairs[i] & 0xFF00);
    red[i] = static_cast<std::uint16_t>(f.red + product(v, f.red_v));
    green[i] = static_cast<std::uint16_t>(f.green - product(u, f.green_u) - product(v, f.green_v));
    blue[i] = static_cast<std::uint16_t>(f.blue + product(u, f.blue_u));
  }
}

RESNET_VECTORISE void split(const std::uint8_t* bytes, std::size_t count, std::uint8_t* __restrict low,
                            std::uint8_t* __restrict high) {
  const Pair* in = as_pairs(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    low[i] = static_cast<std::uint8_t>(in[i]);
    high[i] = static_cast<std::uint8_t>(in[i] >> 8);
  }
}

std::uint16_t average(std::uint16_t a, std::uint16_t b) {
  return static_cast<std::uint16_t>((a + b + 1) >> 1);
}

// Loops that do no more than this become the instruction for it.
RESNET_VECTORISE void average_with(const std::uint16_t* in, std::size_t count,
                                   std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = average(in[i], out[i]);
}

// Twice as many columns, of samples that are at every second one. in[samples] is there.
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
                              std::size_t count, std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t y = product(static_cast<std::uint16_t>(luma[i] << 8), luma_factor);
    const auto room = static_cast<std::uint16_t>(white - y);
    const std::uint16_t term = terms[i] < room ? terms[i] : room;
    const auto sum = static_cast<std::uint16_t>(y + term);
    out[i] = static_cast<std::uint16_t>((sum > black ? sum : black) - black);
  }
}

// sums += values · weight
RESNET_VECTORISE void add_weighted(const std::uint16_t* values, std::int16_t weight, std::size_t count,
                                   std::int16_t* __restrict sums) {
  for (std::size_t i = 0; i < count; ++i)
    sums[i] = static_cast<std::int16_t>(sums[i] + weighted(static_cast<std::int16_t>(values[i]), weight));
}

// From sample `first` on, which may be −1.
void weigh(const Factors& factors, const Samples& in, std::ptrdiff_t first, std::size_t count,
           const Channels& to) {
  if (in.v == nullptr) return weigh_pairs(factors, in.u + 2 * first, count, to);
  weigh_planes(factors, in.u + first, in.v + first, count, to);
}

void make_terms(const Factors& factors, const Samples& in, std::size_t columns, const Channels& to,
                std::uint16_t* scratch) {
  if (in.widening == Widening::none) return weigh(factors, in, 0, columns, to);
  const std::size_t samples = (columns + 1) / 2, before = in.widening == Widening::between ? 1 : 0;
  const std::size_t count = before + samples + 1;
  const Channels weighed{scratch, scratch + count, scratch + 2 * count};
  weigh(factors, in, -static_cast<std::ptrdiff_t>(before), count, weighed);
  const auto widen = [&](const std::uint16_t* channel, std::uint16_t* terms) {
    if (before == 0) return widen_cosited(channel, samples, terms);
    std::uint16_t* averages = scratch + 3 * count;
    average_rows(channel, channel + 1, samples + 1, averages);
    widen_between(channel + 1, averages, samples, terms);
  };
  widen(weighed.red, to.red);
  widen(weighed.green, to.green);
  widen(weighed.blue, to.blue);
}

void add_row(const Band& band, const Parts& row, std::int16_t* begun, std::int16_t* done,
             std::uint16_t* scratch) {
  for (const Soon& plane : row.soon) {
    for (std::size_t x = 0; x < band.columns; x += block) plane.fetch(x);
  }
  std::uint16_t *mixed = scratch, *values = scratch + band.stride;
  for (std::size_t at = 0; at < 3 * band.stride; at += band.stride) {
    const std::uint16_t* terms = row.terms + at;
    if (row.farther != nullptr) {
      average_rows(terms, row.farther + at, band.columns, mixed);
      average_with(terms, band.columns, mixed);
      terms = mixed;
    }
    convert(row.luma, band.luma_factor, terms, band.columns, values);
    add_weighted(values, static_cast<std::int16_t>(row.weight), band.columns, done + at);
    add_weighted(values, static_cast<std::int16_t>(row.next_weight), band.columns, begun + at);
  }
}

void add(const Band& band, std::int16_t* begun, std::int16_t* done, std::uint16_t* scratch) {
  std::copy_n(begun, 3 * band.stride, done);
  std::fill_n(begun, 3 * band.stride, std::int16_t{0});
  for (const Parts& row : band.rows) add_row(band, row, begun, done, scratch);
}

}  // namespace

RESNET_VECTORISE void average_rows(const std::uint16_t* first, const std::uint16_t* second, std::size_t count,
                                   std::uint16_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = average(first[i], second[i]);
}

const Steps& portable_steps() {
  static constexpr Steps steps{split, make_terms, add};
  return steps;
}

}  // namespace resnet::yuv_rows
