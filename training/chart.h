#ifndef RESNET_TRAINING_CHART_H
#define RESNET_TRAINING_CHART_H

#include <optional>
#include <string>
#include <vector>

namespace resnet {

/// How the numbers beside an axis read.
enum class AxisUnit { number, percent };

struct ChartSeries {
  std::string name;
  std::vector<double> values;  ///< as many as the chart's x; what is not finite leaves a gap
};

/// One or two lines over the same x.
struct LineChart {
  std::string title;
  std::string x_label;
  AxisUnit unit = AxisUnit::number;  ///< of y
  std::vector<double> x;             ///< rising
  std::vector<ChartSeries> series;   ///< the first is drawn solid, the second dashed
  std::optional<double> marked;      ///< an x to draw a line at …
  std::string mark;                  ///< … and what to write beside it
};

struct ChartBar {
  double height = 0;
  std::string text;  ///< shown when the pointer rests on it
};

/// Bars of equal width over x from 0 to 100 %.
struct BarChart {
  std::string title;
  std::string x_label;
  AxisUnit unit = AxisUnit::number;  ///< of y; percent: the axis goes to 100 %
  bool diagonal = false;             ///< the line where y equals x
  std::vector<ChartBar> bars;
};

/// The chart as a <figure> with an inline SVG, in the colours of html_page().
std::string to_html(const LineChart& chart);
std::string to_html(const BarChart& chart);

}  // namespace resnet

#endif
