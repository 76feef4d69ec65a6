#include <cmath>

#include <gtest/gtest.h>

#include "model/error.h"
#include "tests/temporary_folder.h"
#include "tests/training/coloured_pictures.h"
#include "tests/training/html_checks.h"
#include "training/report.h"

namespace resnet {
namespace {

class ReportPage : public testing::Test {
 protected:
  ReportPage() {
    report_.title = "Flowers & more";
    report_.classes = {"daisy", "roses"};
    report_.split = "val";
    report_.rows = {{1, 0.9, 0.5, 0.8, 0.6, 1e-3, 10, 50}, {2, 0.5, 0.7, 0.7, 0.75, 5e-4, 10, 50}};
    report_.best_epoch = 2;
    report_.facts = {{"architecture", "resnet34"}};
    report_.recipe = {{"optimizer", "sgd"}, {"lr", 0.05}};
  }

  /// A prediction of `predicted` with that probability; its picture is there.
  void add(std::size_t label, std::size_t predicted, double probability) {
    const std::string name = "p" + std::to_string(report_.predictions.size()) + ".png";
    write_picture(folder_ / name, {20, 60, 200}, 1);
    std::vector<float> logits(report_.classes.size(), 0);
    logits[predicted] = static_cast<float>(
        std::log(probability / (1 - probability) * static_cast<double>(report_.classes.size() - 1)));
    report_.predictions.push_back({folder_ / name, label, std::move(logits)});
  }

  std::string page() {
    write_report(folder_ / "report.html", report_);
    return read_text(folder_ / "report.html");
  }

  TemporaryFolder folder_;
  Report report_;
};

TEST_F(ReportPage, SaysHowGoodTheNetworkIs) {
  add(0, 0, 0.9);
  add(0, 0, 0.9);
  add(1, 1, 0.9);
  add(1, 0, 0.9);
  const std::string html = page();
  expect_balanced(html);
  expect_self_contained(html);
  EXPECT_NE(html.find("Flowers &amp; more"), std::string::npos);
  EXPECT_NE(html.find("75.0 %<small>30.1–95.4 % (95 % interval)"), std::string::npos) << html;
  EXPECT_NE(html.find("0.733<small>mean of 2 classes"), std::string::npos) << "macro F1 of 0.8 and 0.667";
  EXPECT_NE(html.find("Calibration error</dt><dd>0.150<"), std::string::npos) << "0.9 sure, 0.75 right";
  EXPECT_NE(html.find("best: 2"), std::string::npos);
  EXPECT_NE(html.find("resnet34"), std::string::npos);
  EXPECT_NE(html.find("<th scope=\"row\">lr</th><td>0.05</td>"), std::string::npos);
  EXPECT_NE(html.find("title=\"roses taken for daisy\">1<small>50.0 %"), std::string::npos);
}

TEST_F(ReportPage, ShowsTheMostWrongFirst) {
  add(0, 1, 0.6);
  add(0, 1, 0.95);
  add(0, 0, 0.99);
  add(1, 1, 0.55);
  const std::string html = page();
  EXPECT_EQ(count_of(html, "<img"), 4U);
  const auto at = [&](const std::string& part) {
    EXPECT_NE(html.find(part), std::string::npos) << part;
    return html.find(part);
  };
  EXPECT_LT(at("Most wrong"), at("<b>roses</b> 95.0 %<br>true: daisy<br>p1.png"));
  EXPECT_LT(at("p1.png</figcaption>"), at("p0.png</figcaption>"));
  EXPECT_LT(at("p0.png</figcaption>"), at("least sure"));
  EXPECT_LT(at("p3.png</figcaption>"), at("p2.png</figcaption>"));
}

TEST_F(ReportPage, PicturesThatAreGoneAreLeftOut) {
  add(0, 1, 0.9);
  add(0, 1, 0.8);
  std::filesystem::remove(folder_ / "p0.png");
  write_text(folder_ / "p1.png", "no picture");
  const std::string html = page();
  EXPECT_EQ(count_of(html, "<img"), 0U);
  EXPECT_EQ(html.find("Most wrong"), std::string::npos) << "a heading over nothing";
}

TEST_F(ReportPage, TemperatureChangesConfidenceAndNothingElse) {
  add(0, 0, 0.9);
  add(1, 0, 0.9);
  report_.temperature = 1e6;
  const std::string html = page();
  EXPECT_NE(html.find("Calibration error</dt><dd>0.000<small>with temperature 1000000.00; 0.400 without"),
            std::string::npos)
      << html;
  EXPECT_NE(html.find("50.0 %<small>9.5–90.5 %"), std::string::npos);
}

TEST_F(ReportPage, ManyClassesGetAListOfConfusions) {
  report_.classes.clear();
  for (int i = 0; i < 100; ++i) report_.classes.push_back("class" + std::to_string(i));
  for (int i = 0; i < 3; ++i) add(7, 8, 0.9);
  add(1, 2, 0.9);
  const std::string html = page();
  expect_balanced(html);
  EXPECT_NE(html.find("The 2 most frequent of 2 confusions"), std::string::npos);
  EXPECT_LT(html.find("<th scope=\"row\">class7</th><td>class8</td><td>3</td>"),
            html.find("<th scope=\"row\">class1</th><td>class2</td><td>1</td>"));
}

TEST_F(ReportPage, RowsAlonePredictionsAloneOrNothingAreAPageToo) {
  const std::string rows = page();
  expect_balanced(rows);
  EXPECT_EQ(rows.find("Confusion"), std::string::npos);
  add(0, 0, 0.9);
  report_.rows.clear();
  report_.best_epoch = 0;
  report_.recipe = nullptr;
  const std::string predictions = page();
  expect_balanced(predictions);
  EXPECT_EQ(predictions.find("Loss"), std::string::npos);
  EXPECT_EQ(predictions.find("Recipe"), std::string::npos);
  report_.predictions.clear();
  expect_balanced(page());
}

TEST_F(ReportPage, NamesFromOutsideAreOnlyText) {
  report_.classes = {"<script>alert(1)</script>", "a\"b"};
  report_.split = "<i>";
  add(0, 1, 0.9);
  add(1, 1, 0.9);
  const std::string html = page();
  expect_balanced(html);
  expect_self_contained(html);
}

TEST_F(ReportPage, PredictionsOfOtherClassesAreRefused) {
  add(0, 0, 0.9);
  report_.predictions[0].logits.push_back(0);
  EXPECT_THROW(page(), Error);
  report_.predictions[0] = {"p", 2, {0, 0}};
  EXPECT_THROW(page(), Error);
  report_.predictions[0] = {"p", 1, {0, NAN}};
  EXPECT_THROW(page(), Error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "report.html"));
}

}  // namespace
}  // namespace resnet
