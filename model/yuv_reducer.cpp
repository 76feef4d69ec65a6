#include "model/yuv_reducer.h"

#include <algorithm>

namespace resnet {

namespace {

// Where few pixels make one, their roundings in the exact way do not cancel out: they and those of its passes
// come to one and a half steps at most, and from there on the results may lie two steps apart.
constexpr double least_scale = 1.125;
// The roundings of more would add up here.
constexpr int most_taps = 64;

}  // namespace

bool YuvReducer::serves(const ResamplePlan& plan) {
  const auto fits = [](const Coefficients& c) {
    return c.scale >= least_scale && *std::max_element(c.count.begin(), c.count.end()) <= most_taps;
  };
  return fits(plan.columns) && fits(plan.rows);
}

YuvReducer::YuvReducer(const ResamplePlan& plan, VectorUnit unit)
    : rows_(plan.columns.begin(), plan.columns.end(), unit),
      narrower_(plan.columns, rows_.left(), rows_.stride(), unit),
      first_row_(plan.rows.begin()) {
  const Coefficients& c = plan.rows;
  shares_.resize(static_cast<std::size_t>(c.end() - c.begin()));
  std::vector<std::int16_t> weights(static_cast<std::size_t>(c.taps));
  for (std::size_t y = 0; y < c.first.size(); ++y) {
    scale_weights(c, y, row_weight_unit, weights.data());
    const auto start = static_cast<std::size_t>(c.first[y] - first_row_);
    for (std::size_t k = 0; k < static_cast<std::size_t>(c.count[y]); ++k) {
      if (weights[k] == 0) continue;
      // The filter reaches from an output to the next: no row has a third.
      Share& share = shares_[start + k];
      if (share.weight == 0) {
        share = {y, weights[k], 0};
      } else {
        share.next_weight = weights[k];
      }
    }
  }
  sums_.resize(2 * 3 * rows_.stride());
  done_.resize(3 * rows_.stride());
}

void YuvReducer::start(const PixelSource& source, std::size_t output) {
  rows_.start(source);
  std::ranges::fill(sums_, std::int16_t{0});
  row_ = output_ = 0;
  if (output == 0) return;
  // The rows of the output before add to this one, too.
  output_ = output - 1;
  while (shares_[row_].weight == 0 || shares_[row_].output < output_) ++row_;
  add_rows(source);
  std::fill_n(sums(output_), 3 * rows_.stride(), std::int16_t{0});
  output_ = output;
}

// Those that output_ lacks.
void YuvReducer::add_rows(const PixelSource& source) {
  for (; row_ < shares_.size(); ++row_) {
    const Share& share = shares_[row_];
    if (share.weight == 0) continue;
    if (share.output > output_) break;
    rows_.add(source, first_row_ + static_cast<int>(row_), {sums(output_), share.weight},
              {sums(output_ + 1), share.next_weight});
  }
}

void YuvReducer::next_row(const PixelSource& source, std::uint8_t* to) {
  add_rows(source);
  rows_.take(sums(output_), done_.data());
  narrower_.run(done_.data(), to);
  ++output_;
}

}  // namespace resnet
