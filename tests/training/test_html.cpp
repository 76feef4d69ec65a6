#include <memory>

#include <glib.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/training/coloured_pictures.h"
#include "tests/training/html_checks.h"
#include "training/chart.h"
#include "training/html.h"

namespace resnet {
namespace {

TEST(Html, TextCannotBecomeMarkup) {
  EXPECT_EQ(escape_html("<b a=\"1\">&'"), "&lt;b a=&quot;1&quot;&gt;&amp;&apos;");
  EXPECT_EQ(escape_html("雏菊"), "雏菊");
  EXPECT_EQ(escape_html("a\xff"), "a\xEF\xBF\xBD");
}

TEST(Html, APageIsWholeAndNeedsNothingElse) {
  const std::string page = html_page("<title>", "<p>text</p>\n");
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>")) << page;
  EXPECT_EQ(count_of(page, "&lt;title&gt;"), 2U);
  EXPECT_NE(page.find("prefers-color-scheme:dark"), std::string::npos);
  expect_balanced(page);
  expect_self_contained(page);
}

cv::Mat embedded_picture(const std::string& html) {
  const std::string start = "base64,";
  const std::size_t at = html.find(start) + start.size();
  gsize size = 0;
  const std::unique_ptr<guchar, decltype(&g_free)> bytes(
      g_base64_decode(html.substr(at, html.find('"', at) - at).c_str(), &size), g_free);
  return cv::imdecode(std::vector<std::uint8_t>(bytes.get(), bytes.get() + size), cv::IMREAD_COLOR);
}

TEST(Html, ThumbnailsAreSmallAndInTheirColours) {
  const TemporaryFolder folder;
  write_picture(folder / "a.png", {20, 60, 200}, 1, 400, 300);
  const auto figure = picture_figure(folder / "a.png", "a \"rose\"", "<b>x</b>");
  ASSERT_TRUE(figure);
  EXPECT_NE(figure->find("alt=\"a &quot;rose&quot;\""), std::string::npos);
  const cv::Mat picture = embedded_picture(*figure);
  EXPECT_EQ(picture.cols, 128);
  EXPECT_EQ(picture.rows, 96);
  const cv::Scalar mean = cv::mean(picture);
  EXPECT_NEAR(mean[0], 40, 8);
  EXPECT_NEAR(mean[2], 220, 8);
}

TEST(Html, LongAndTinyPicturesKeepTheirShape) {
  const TemporaryFolder folder;
  write_picture(folder / "long.png", {20, 60, 200}, 1, 2400, 100);
  write_picture(folder / "tiny.png", {20, 60, 200}, 1, 3, 1);
  const cv::Mat picture = embedded_picture(picture_figure(folder / "long.png", "", "").value());
  EXPECT_EQ(picture.cols, 240);
  EXPECT_EQ(picture.rows, 10);
  EXPECT_EQ(embedded_picture(picture_figure(folder / "tiny.png", "", "").value()).cols, 3);
}

TEST(Html, WhatIsNoPictureHasNoFigure) {
  const TemporaryFolder folder;
  write_text(folder / "a.jpg", "no picture");
  EXPECT_FALSE(picture_figure(folder / "a.jpg", "", ""));
  EXPECT_FALSE(picture_figure(folder / "none.jpg", "", ""));
}

TEST(Chart, LinesHaveAxesLegendAndMark) {
  LineChart chart;
  chart.title = "Loss";
  chart.x_label = "epoch";
  chart.x = {1, 2, 3};
  chart.series = {{"train", {1.5, 1.0, 0.5}}, {"val", {1.6, 1.2, 1.1}}};
  chart.marked = 2;
  chart.mark = "best: 2";
  const std::string html = to_html(chart);
  for (const std::string part :
       {">train<", ">val<", ">best: 2<", ">epoch<", ">0.4<", ">1.6<", ">3<", "role=\"img\""}) {
    EXPECT_NE(html.find(part), std::string::npos) << part << " in " << html;
  }
  EXPECT_NE(html.find("train: from 1.500 to 0.500"), std::string::npos) << html;
}

TEST(Chart, WhatIsNotFiniteLeavesAGap) {
  LineChart chart;
  chart.x = {1, 2, 3, 4};
  chart.series = {{"train", {1, std::nan(""), 3, INFINITY}}};
  const std::string html = to_html(chart);
  const std::string path = html.substr(html.find("class=\"line"));
  EXPECT_EQ(count_of(path.substr(0, path.find("/>")), "M"), 2U) << path;
  const std::string drawn = html.substr(html.find("<path"));
  EXPECT_EQ(drawn.find("nan"), std::string::npos) << html;
  EXPECT_EQ(drawn.find("inf"), std::string::npos) << html;
}

TEST(Chart, OneRowOfOneValueIsDrawn) {
  LineChart chart;
  chart.x = {1};
  chart.series = {{"lr", {0.0001}}};
  const std::string html = to_html(chart);
  EXPECT_EQ(count_of(html, "<circle"), 1U) << html;
  EXPECT_EQ(html.find("nan"), std::string::npos) << html;
}

}  // namespace
}  // namespace resnet
