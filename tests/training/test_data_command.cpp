// `resnet data check` as a user runs it.
#include "tests/training/command_fixture.h"
#include "tests/training/html_checks.h"
#include "tests/training/textured_pictures.h"

namespace resnet {
namespace {

class DataCheck : public Command {
 protected:
  /// Two classes in two splits with nothing wrong.
  DataCheck() {
    for (int i = 0; i < 3; ++i) {
      write_texture(root_ / "train/blue" / (std::to_string(i) + ".jpg"), i);
      write_texture(root_ / "train/red" / (std::to_string(i) + ".jpg"), 10 + i);
    }
    write_texture(root_ / "val/blue/0.jpg", 20);
    write_texture(root_ / "val/red/0.jpg", 21);
  }

  nlohmann::json findings(int code, const Arguments& more = {}) {
    const Result result = run(Arguments{"data", "check", root_.path().string(), "--json"} + more);
    EXPECT_EQ(result.code, code) << result.err;
    return nlohmann::json::parse(result.out);
  }

  TemporaryFolder root_;
};

TEST_F(DataCheck, GoodDataIsCountedAndExitsWith0) {
  write_texture(root_ / "train/red/more.jpg", 30);
  const Result result = run({"data", "check", root_.path().string()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, root_.path().string() +
                            ": 9 pictures, 2 classes\n\n"
                            "class                  train       val\n"
                            "blue                       3         1\n"
                            "red                        4         1\n"
                            "all                        7         2\n"
                            "largest / smallest      1.33      1.00\n"
                            "\nnothing serious\n");
  EXPECT_EQ(findings(0)["serious"], 0);
}

TEST_F(DataCheck, ContradictionsLeaksAndUnreadableFilesExitWith3) {
  fs::copy(root_ / "train/blue/0.jpg", root_ / "train/red/same.jpg");
  write_texture(root_ / "val/blue/again.jpg", 1, 100, 75, 70);
  const std::string whole = read_text(root_ / "train/red/1.jpg");
  write_text(root_ / "train/red/cut.jpg", whole.substr(0, whole.size() / 2));
  write_text(root_ / "train/red/bad.png", "no picture");
  const nlohmann::json document = findings(3);
  EXPECT_EQ(document["serious"], 4);
  ASSERT_EQ(document["unreadable"].size(), 2U);
  EXPECT_EQ(document["unreadable"][1]["picture"], "train/red/cut.jpg");
  EXPECT_TRUE(contains(document["unreadable"][1]["error"], "truncated"));
  ASSERT_EQ(document["duplicates"].size(), 2U);
  const nlohmann::json& contradiction = document["duplicates"][0];
  EXPECT_EQ(contradiction["same_bytes"], true);
  EXPECT_EQ(contradiction["across_classes"], true);
  EXPECT_EQ(contradiction["across_splits"], false);
  EXPECT_EQ(contradiction["pictures"][1]["picture"], "train/red/same.jpg");
  const nlohmann::json& leak = document["duplicates"][1];
  EXPECT_EQ(leak["same_bytes"], false);
  EXPECT_EQ(leak["across_classes"], false);
  EXPECT_EQ(leak["across_splits"], true);
  EXPECT_EQ(leak["pictures"][1]["picture"], "val/blue/again.jpg");

  const Result text = run({"data", "check", root_.path().string()});
  EXPECT_EQ(text.code, 3);
  EXPECT_TRUE(contains(text.out,
                       "serious: 1 picture that is in several classes\n"
                       "  train/blue/0.jpg = train/red/same.jpg (same bytes)\n"))
      << text.out;
  EXPECT_TRUE(contains(text.out,
                       "serious: 1 picture that is in several splits\n"
                       "  train/blue/1.jpg ~ val/blue/again.jpg (distance "))
      << text.out;
}

TEST_F(DataCheck, WhatIsOnlyOddExitsWith0) {
  fs::copy(root_ / "train/blue/0.jpg", root_ / "train/blue/same.jpg");
  write_texture(root_ / "train/blue/tiny.png", 40, 31, 50);
  write_text(root_ / "val/red/notes.txt", "x");
  nlohmann::json document = findings(0);
  EXPECT_EQ(document["duplicates"].size(), 1U);
  ASSERT_EQ(document["tiny"].size(), 1U);
  EXPECT_EQ(document["tiny"][0]["picture"], "train/blue/tiny.png");
  EXPECT_EQ(document["not_pictures"], (nlohmann::json{"val/red/notes.txt"}));
  EXPECT_FALSE(document.contains("mislabelled")) << "no model was asked";
  EXPECT_EQ(findings(0, {"--min-side", "31"})["tiny"].size(), 0U);
}

TEST_F(DataCheck, AClassWithoutPicturesIsSerious) {
  fs::remove_all(root_ / "val/red");
  fs::create_directories(root_ / "train/empty");
  const Result result = run({"data", "check", root_.path().string()});
  EXPECT_EQ(result.code, 3);
  EXPECT_TRUE(contains(result.out,
                       "serious: 3 classes without a picture\n"
                       "  train/empty\n  val/empty\n  val/red\n"))
      << result.out;
}

TEST_F(DataCheck, OneFolderOfClassesIsOneSplit) {
  fs::remove_all(root_ / "val");
  const Result result = run({"data", "check", (root_ / "train").string()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "class               pictures\n")) << result.out;
}

TEST_F(DataCheck, ThePageShowsThePictures) {
  fs::copy(root_ / "train/blue/0.jpg", root_ / "train/red/same.jpg");
  write_text(root_ / "train/red/<b>.png", "no picture");
  const fs::path page = root_ / "out/check.html";
  const Result result = run({"data", "check", root_.path().string(), "--html", page.string()});
  EXPECT_EQ(result.code, 3) << result.err;
  const std::string html = read_text(page);
  expect_balanced(html);
  expect_self_contained(html);
  EXPECT_EQ(count_of(html, "<img"), 2U);
  EXPECT_TRUE(contains(html, "1 picture that is in several classes")) << html;
  EXPECT_TRUE(contains(html, "&lt;b&gt;.png")) << html;
}

TEST_F(DataCheck, AModelFindsMislabelledPictures) {
  const TemporaryFolder folder;
  write_two_colours(folder.path(), 4);
  fs::rename(folder / "red/r0.png", folder / "blue/wrong.png");
  fs::rename(folder / "blue/b0.png", folder / "red/wrong.png");
  const Result result = run({"data", "check", folder.path().string(), "--model", model(), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json suspects = nlohmann::json::parse(result.out)["mislabelled"];
  ASSERT_EQ(suspects.size(), 2U) << suspects;
  for (const nlohmann::json& suspect : suspects) {
    const bool in_blue = suspect["class"] == "blue";
    EXPECT_EQ(suspect["picture"], in_blue ? "blue/wrong.png" : "red/wrong.png");
    EXPECT_EQ(suspect["predicted"], in_blue ? "red" : "blue");
    EXPECT_GT(suspect["probability"], suspect["own_probability"]);
  }
}

TEST_F(DataCheck, SaysWhatIsWrong) {
  expect_error({"data", "check", (root_ / "none").string()}, "does not exist");
  expect_error({"data", "check", (root_ / "train/blue").string()}, "no class folders");
  expect_error({"data", "check", root_.path().string(), "--html", "/proc/x.html"}, "/proc/x.html");
  expect_error({"data", "check", root_.path().string(), "--model", "none.pth"}, "none.pth");
  expect_error({"data", "check", root_.path().string(), "--near-distance", "16"}, "--near-distance");
  expect_error({"data"}, "subcommand");
  write_texture(root_ / "train/green/0.jpg", 50);
  expect_error({"data", "check", root_.path().string(), "--model", model()}, "green");
}

TEST_F(DataCheck, HelpSaysWhatTheExitCodesMean) {
  EXPECT_TRUE(contains(run({"data", "check", "--help"}).out, "3 something serious"));
}

TEST_F(DataCheck, ATerminalGetsABar) {
  EXPECT_TRUE(contains(run_in_terminal({"data", "check", root_.path().string()}), "check: 100%|"));
}

}  // namespace
}  // namespace resnet
