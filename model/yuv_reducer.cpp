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

YuvReducer::Bands::Bands(const Coefficients& c) {
  std::vector<std::int16_t> weights(static_cast<std::size_t>(c.taps));
  for (std::size_t output = 0; output < c.first.size(); ++output) {
    scale_weights(c, output, row_weight_unit, weights.data());
    const std::size_t before = begin.empty() ? 0 : begin.back();
    begin.push_back(rows.size());
    for (int k = 0; k < c.count[output]; ++k) {
      const std::int16_t weight = weights[static_cast<std::size_t>(k)];
      const int y = c.first[output] + k;
      if (weight == 0) continue;
      // The filter reaches from an output to the next: no row has a third.
      const auto known = std::find_if(rows.begin() + static_cast<std::ptrdiff_t>(before), rows.end(),
                                      [y](const YuvRows::Row& row) { return row.y == y; });
      if (known == rows.end()) {
        rows.push_back({y, weight, 0});
      } else {
        known->next_weight = weight;
      }
    }
  }
  begin.push_back(rows.size());
}

std::span<const YuvRows::Row> YuvReducer::Bands::of(std::size_t output) const {
  return std::span(rows).subspan(begin[output], begin[output + 1] - begin[output]);
}

std::size_t YuvReducer::Bands::most_rows() const {
  std::size_t most = 0;
  for (std::size_t output = 0; output + 1 < begin.size(); ++output) most = std::max(most, of(output).size());
  return most;
}

YuvReducer::YuvReducer(const ResamplePlan& plan, VectorUnit unit)
    : bands_(plan.rows),
      rows_(plan.columns.begin(), plan.columns.end(), bands_.most_rows(), unit),
      narrower_(plan.columns, rows_.left(), rows_.stride(), unit),
      begun_(3 * rows_.stride()),
      done_(3 * rows_.stride()) {}

void YuvReducer::start(const PixelSource& source, std::size_t output) {
  rows_.start(source);
  std::ranges::fill(begun_, std::int16_t{0});
  // The rows of the output before add to this one, too.
  if (output > 0) rows_.add(source, bands_.of(output - 1), begun_.data(), done_.data());
  output_ = output;
}

void YuvReducer::next_row(const PixelSource& source, std::uint8_t* to) {
  rows_.add(source, bands_.of(output_++), begun_.data(), done_.data());
  narrower_.run(done_.data(), to);
}

}  // namespace resnet
