#include "model/yuv_rows.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace resnet {

using yuv_rows::Channels, yuv_rows::Factors, yuv_rows::Parts, yuv_rows::Soon, yuv_rows::Widening,
    yuv_rows::black, yuv_rows::block;

namespace {

constexpr int factor_bits = 8;

std::size_t whole_blocks(std::size_t count) { return (count + block - 1) / block * block; }

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

Factors make_factors(const YuvCoefficients& k) {
  Factors f;
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

// In both halves of 32 bits, of which registers are filled fastest.
std::int32_t twice(std::int16_t weight) { return weight * 0x10001; }

}  // namespace

YuvRows::YuvRows(int begin, int end, std::size_t most_rows, VectorUnit unit)
    : left_(begin & ~1),
      end_(end),
      steps_(unit == VectorUnit::avx512_vbmi ? &yuv_rows::vbmi_steps() : &yuv_rows::portable_steps()) {
  columns_ = static_cast<std::size_t>(end_ - left_);
  stride_ = whole_blocks(columns_) + block;
  held_.resize(std::bit_ceil(most_rows + 2));
  terms_.resize(held_.size() * 3 * stride_);
  parts_.resize(most_rows);
  luma_.resize(most_rows * stride_);
  pairs_.resize(stride_);
  scratch_.resize(2 * stride_);
}

void YuvRows::start(const PixelSource& s) {
  widening_ = !s.half_width ? Widening::none : s.horizontal_cosited ? Widening::cosited : Widening::between;
  keys_per_row_ = s.half_height && s.vertical_cosited ? 2 : 1;
  const int per_sample = s.half_width ? 2 : 1, left = left_ / per_sample;
  const int all = (s.width + per_sample - 1) / per_sample;
  // One more at each end serves the interpolation.
  sample_ = widening_ == Widening::between ? std::max(left - 1, 0) : left;
  samples_ = static_cast<std::size_t>(std::min((end_ + per_sample - 1) / per_sample + 1, all) - sample_);
  before_ = static_cast<std::size_t>(left - sample_);
  lacks_first_ = widening_ == Widening::between && left == 0;
  lacks_last_ = widening_ != Widening::none && left + (static_cast<int>(columns_) + 1) / 2 == all;
  std::ranges::fill(held_, -1);
  factors_ = make_factors(s.yuv);
  v_first_ = s.chroma_step > 1 && s.v < s.u;
  if (v_first_) {
    std::swap(factors_.red, factors_.blue);
    std::swap(factors_.red_v, factors_.blue_u);
    std::swap(factors_.green_u, factors_.green_v);
  }
}

// Luma and pairs of chroma of a row that has a byte of each in turns.
void YuvRows::split(const PixelSource& s, int y, std::uint8_t* luma) {
  const std::uint8_t* row = std::min(s.luma, s.u) + y * s.luma_stride + std::ptrdiff_t{4} * sample_;
  std::uint8_t *low = luma, *high = pairs_.data();
  if (s.u < s.luma) std::swap(low, high);
  steps_->split(row, 2 * samples_, low, high);
}

// The samples of a row from the first column's on, with those beside them: the picture's outermost stand for
// what is beyond it.
const std::uint8_t* YuvRows::complete(const std::uint8_t* first, std::size_t step,
                                      std::vector<std::uint8_t>& row) const {
  if (!lacks_first_ && !lacks_last_) return first + before_ * step;
  const std::size_t bytes = samples_ * step;
  row.resize(bytes + 2 * step);
  std::copy_n(first, step, row.begin());
  std::copy_n(first, bytes, &row[step]);
  std::copy_n(first + bytes - step, step, &row[step + bytes]);
  return &row[(1 + before_) * step];
}

yuv_rows::Samples YuvRows::samples_of(const PixelSource& s, int row) {
  const std::ptrdiff_t offset = std::ptrdiff_t{sample_} * s.chroma_step;
  const std::uint8_t *u = s.u + row * s.u_stride + offset, *v = s.v + row * s.v_stride + offset;
  if (s.chroma_step == 1) return {complete(u, 1, u_), complete(v, 1, v_), widening_};
  return {complete(s.luma_step > 1 ? pairs_.data() : std::min(u, v), 2, u_), nullptr, widening_};
}

bool YuvRows::hold(int key, std::uint16_t*& terms) {
  const std::size_t place = static_cast<std::size_t>(key) & (held_.size() - 1);
  terms = &terms_[place * 3 * stride_];
  return std::exchange(held_[place], key) == key;
}

// Rows of chroma serve several of luma: each is weighed once.
const std::uint16_t* YuvRows::terms_of_row(const PixelSource& source, int row) {
  std::uint16_t* terms = nullptr;
  if (hold(keys_per_row_ * row, terms)) return terms;
  Channels to{terms, terms + stride_, terms + 2 * stride_};
  if (v_first_) std::swap(to.red, to.blue);
  steps_->make_terms(factors_, samples_of(source, row), columns_, to, scratch_.data());
  return terms;
}

const std::uint16_t* YuvRows::terms_between(const PixelSource& source, int first, int second) {
  const std::uint16_t *a = terms_of_row(source, first), *b = terms_of_row(source, second);
  std::uint16_t* terms = nullptr;
  if (!hold(keys_per_row_ * first + 1, terms)) yuv_rows::average_rows(a, b, 3 * stride_, terms);
  return terms;
}

// Rows are too short and too far from each other for processors to see by themselves what comes next.
std::array<Soon, 3> YuvRows::look_ahead(const PixelSource& s, int y) const {
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
  const std::size_t bytes = block * static_cast<std::size_t>(s.chroma_step) / (s.half_width ? 2 : 1);
  return {luma,
          {left_of(s.u, s.u_stride, row, sample_, s.chroma_step), bytes},
          {left_of(s.v, s.v_stride, row, sample_, s.chroma_step), bytes}};
}

Parts YuvRows::parts_of(const PixelSource& source, const Row& row, std::size_t place) {
  const int y = row.y;
  Parts parts;
  parts.weight = twice(row.weight);
  parts.next_weight = twice(row.next_weight);
  if (source.luma_step > 1) {
    std::uint8_t* luma = &luma_[place * stride_];
    split(source, y, luma);
    parts.luma = luma + 2 * before_;
  } else {
    parts.luma = source.luma + y * source.luma_stride + left_;
  }
  parts.soon = look_ahead(source, y);
  const ChromaTap rows = chroma_rows(source, y);
  if (rows.weight == 0) {
    parts.terms = terms_of_row(source, rows.first);
  } else if (rows.weight == 2) {
    parts.terms = terms_between(source, rows.first, rows.second);
  } else {
    parts.terms = terms_of_row(source, rows.first);
    parts.farther = terms_of_row(source, rows.second);
    if (rows.weight == 3) std::swap(parts.terms, parts.farther);
  }
  return parts;
}

void YuvRows::add(const PixelSource& source, std::span<const Row> band, std::int16_t* begun,
                  std::int16_t* done) {
  for (std::size_t i = 0; i < band.size(); ++i) parts_[i] = parts_of(source, band[i], i);
  steps_->add({{parts_.data(), band.size()}, factors_.luma, columns_, stride_}, begun, done, scratch_.data());
}

}  // namespace resnet
