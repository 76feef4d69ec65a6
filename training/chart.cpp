#include "training/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "training/format.h"
#include "training/html.h"

namespace resnet {
namespace {

// In the SVG's own units, about pixels: the whole, and what the axes' numbers take around the plot.
constexpr double kWidth = 420, kHeight = 250;
constexpr double kLeft = 52, kRight = 22, kTop = 26, kBottom = 40;
constexpr std::size_t kMostDots = 40;

/// A range with numbers at multiples of `step`.
struct Axis {
  double low = 0, high = 1, step = 1;
  AxisUnit unit = AxisUnit::number;
};

/// The step of 1, 2 or 5 times a power of ten that gives about five numbers (after Heckbert, "Nice numbers
/// for graph labels", Graphics Gems, 1990).
double nice_step(double range) {
  const double power = std::pow(10, std::floor(std::log10(range / 5)));
  const double part = range / 5 / power;
  return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

Axis axis_over(double low, double high, AxisUnit unit) {
  if (!(low <= high)) {
    low = 0;
    high = 1;
  }
  if (low == high) {
    const double room = low == 0 ? 1 : std::abs(low) / 2;
    low -= room;
    high += room;
  }
  return {low, high, nice_step(high - low), unit};
}

/// The axis that begins and ends with a number.
Axis rounded(Axis axis) {
  axis.low = std::floor(axis.low / axis.step + 1e-9) * axis.step;
  axis.high = std::ceil(axis.high / axis.step - 1e-9) * axis.step;
  return axis;
}

/// The multiples of the step on the axis.
std::vector<double> numbers_of(const Axis& axis) {
  const auto first = static_cast<long>(std::ceil(axis.low / axis.step - 1e-9));
  const auto last = static_cast<long>(std::floor(axis.high / axis.step + 1e-9));
  std::vector<double> numbers;
  for (long i = first; i <= last; ++i) numbers.push_back(static_cast<double>(i) * axis.step);
  return numbers;
}

std::string coordinate(double value) { return format("%.1f", value); }

std::string axis_text(double value, const Axis& axis) {
  const double factor = axis.unit == AxisUnit::percent ? 100 : 1;
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(axis.step * factor) + 1e-9)));
  if (decimals > 4) return format("%.2g", value);
  // Adding 0 turns -0 into 0.
  return format("%.*f%s", decimals, value * factor + 0.0, axis.unit == AxisUnit::percent ? " %" : "");
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" + anchor + "\">" +
         escape_html(text) + "</text>";
}

std::string line_between(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<path class=\"" + style + "\" d=\"M" + coordinate(x1) + " " + coordinate(y1) + "L" +
         coordinate(x2) + " " + coordinate(y2) + "\"/>";
}

struct Plot {
  Axis x, y;

  double right() const { return kWidth - kRight; }
  double bottom() const { return kHeight - kBottom; }
  double at_x(double value) const { return kLeft + (value - x.low) / (x.high - x.low) * (right() - kLeft); }
  double at_y(double value) const {
    return bottom() - (value - y.low) / (y.high - y.low) * (bottom() - kTop);
  }

  std::string axes(const std::string& x_label) const {
    std::string svg;
    for (const double value : numbers_of(y)) {
      svg += line_between(kLeft, at_y(value), right(), at_y(value), "axis");
      svg += text_at(kLeft - 6, at_y(value) + 4, "end", axis_text(value, y));
    }
    for (const double value : numbers_of(x)) {
      svg += line_between(at_x(value), bottom(), at_x(value), bottom() + 4, "axis");
      svg += text_at(at_x(value), bottom() + 17, "middle", axis_text(value, x));
    }
    return svg + text_at((kLeft + right()) / 2, kHeight - 5, "middle", x_label);
  }
};

std::string figure(const std::string& title, const std::string& description, const std::string& svg) {
  return "<figure><figcaption>" + escape_html(title) + "</figcaption><svg role=\"img\" viewBox=\"0 0 " +
         coordinate(kWidth) + " " + coordinate(kHeight) + "\" aria-label=\"" + escape_html(description) +
         "\">" + svg + "</svg></figure>\n";
}

const char* series_style(std::size_t index) { return index == 0 ? "first" : "second"; }

std::string draw_series(const Plot& plot, const std::vector<double>& x, const std::vector<double>& values,
                        const std::string& style) {
  std::string path;
  std::string dots;
  bool gap = true;
  for (std::size_t i = 0; i < std::min(x.size(), values.size()); ++i) {
    if (!std::isfinite(values[i])) {
      gap = true;
      continue;
    }
    const std::string px = coordinate(plot.at_x(x[i]));
    const std::string py = coordinate(plot.at_y(values[i]));
    path += (gap ? "M" : "L") + px + " " + py;
    gap = false;
    if (x.size() <= kMostDots) {
      dots += "<circle class=\"dot " + style + "\" cx=\"" + px + "\" cy=\"" + py + "\" r=\"2.5\"/>";
    }
  }
  return "<path class=\"line " + style + "\" d=\"" + path + "\"/>" + dots;
}

std::string legend(const std::vector<ChartSeries>& series) {
  std::string svg;
  double left = kLeft;
  for (std::size_t i = 0; i < series.size(); ++i) {
    svg += line_between(left, 10, left + 24, 10, std::string("line ") + series_style(i));
    svg += text_at(left + 30, 14, "start", series[i].name);
    left += 50 + 7 * static_cast<double>(series[i].name.size());
  }
  return svg;
}

std::string draw_mark(const Plot& plot, double at, const std::string& text) {
  const double x = plot.at_x(at);
  const bool to_the_left = x > kWidth / 2;
  return line_between(x, kTop, x, plot.bottom(), "mark") +
         text_at(x + (to_the_left ? -5 : 5), plot.bottom() - 6, to_the_left ? "end" : "start", text);
}

}  // namespace

std::string to_html(const LineChart& chart) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  std::string description = chart.title + " over " + chart.x_label + ".";
  for (const ChartSeries& series : chart.series) {
    for (const double value : series.values) {
      if (std::isfinite(value)) {
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
    const Axis unit{0, 1, 0.001, chart.unit};
    if (!series.values.empty()) {
      description += " " + series.name + ": from " + axis_text(series.values.front(), unit) + " to " +
                     axis_text(series.values.back(), unit) + ".";
    }
  }
  Plot plot;
  plot.y = rounded(axis_over(low, high, chart.unit));
  plot.x = chart.x.empty() ? Axis{} : axis_over(chart.x.front(), chart.x.back(), AxisUnit::number);
  plot.x.step = std::max(1.0, plot.x.step);
  std::string svg = plot.axes(chart.x_label);
  if (chart.marked) svg += draw_mark(plot, *chart.marked, chart.mark);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    svg += draw_series(plot, chart.x, chart.series[i].values, series_style(i));
  }
  return figure(chart.title, description, svg + (chart.series.size() > 1 ? legend(chart.series) : ""));
}

std::string to_html(const BarChart& chart) {
  Plot plot;
  double high = 0;
  for (const ChartBar& bar : chart.bars) high = std::max(high, bar.height);
  plot.x = {0, 1, 0.2, AxisUnit::percent};
  plot.y =
      chart.unit == AxisUnit::percent ? plot.x : rounded(axis_over(0, std::max(1.0, high), AxisUnit::number));
  std::string svg = plot.axes(chart.x_label);
  const double width = 1 / static_cast<double>(std::max<std::size_t>(1, chart.bars.size()));
  std::string description = chart.title + ", by " + chart.x_label + ".";
  for (std::size_t i = 0; i < chart.bars.size(); ++i) {
    const ChartBar& bar = chart.bars[i];
    if (bar.height <= 0 && bar.text.empty()) continue;
    const double left = plot.at_x(static_cast<double>(i) * width) + 1;
    const double top = plot.at_y(bar.height);
    svg += "<rect class=\"bar\" x=\"" + coordinate(left) + "\" y=\"" + coordinate(top) + "\" width=\"" +
           coordinate(plot.at_x(static_cast<double>(i + 1) * width) - left - 1) + "\" height=\"" +
           coordinate(plot.bottom() - top) + "\"><title>" + escape_html(bar.text) + "</title></rect>";
    description += " " + bar.text + ".";
  }
  if (chart.diagonal) svg += line_between(plot.at_x(0), plot.at_y(0), plot.at_x(1), plot.at_y(1), "mark");
  return figure(chart.title, description, svg);
}

}  // namespace resnet
