#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "model/error.h"
#include "tests/temporary_folder.h"
#include "training/image_folder.h"

namespace resnet {
namespace {

/// The Error's sentence, or "" when there was none.
template <typename Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ImageFolder, SortsPlainlyAndSearchesBelow) {
  const TemporaryFolder folder;
  write_text(folder / "2/a.JPG", "x");
  write_text(folder / "10/b/c.png", "x");
  write_text(folder / "10/a.jpeg", "x");
  write_text(folder / ".hidden/a.png", "x");
  write_text(folder / "10/.DS_Store", "x");
  write_text(folder / "10/notes.txt", "x");
  const ImageFolder found = scan_image_folder(folder.path());
  EXPECT_EQ(found.classes, (std::vector<std::string>{"10", "2"}));
  ASSERT_EQ(found.samples.size(), 3U);
  EXPECT_EQ(found.samples[0].path, folder / "10/a.jpeg");
  EXPECT_EQ(found.samples[1].path, folder / "10/b/c.png");
  EXPECT_EQ(found.samples[2].label, 1);
  EXPECT_EQ(found.not_pictures, (std::vector<std::filesystem::path>{folder / "10/notes.txt"}));
}

TEST(ImageFolder, LinksAreFollowedAndThoseThatLeadBackUpAreNot) {
  const TemporaryFolder folder;
  namespace fs = std::filesystem;
  write_text(folder / "data/a/1.png", "1");
  write_text(folder / "data/b/deep/2.png", "2");
  write_text(folder / "elsewhere/3.png", "3");
  fs::create_directory_symlink(folder / "elsewhere", folder / "data/a/more");
  for (const char* name : {"self", "again", "and-again"}) {
    fs::create_directory_symlink(".", folder / "data/a" / name);
    fs::create_directory_symlink("..", folder / "data/b/deep" / name);
  }
  fs::create_symlink("loop", folder / "data/b/loop");
  std::set<fs::path> found;
  for (const Sample& sample : scan_image_folder(folder / "data").samples) found.insert(sample.path);
  EXPECT_EQ(found, (std::set<fs::path>{folder / "data/a/1.png", folder / "data/a/more/3.png",
                                       folder / "data/b/deep/2.png"}));
}

TEST(ImageFolder, EachFaultIsNamed) {
  const TemporaryFolder folder;
  EXPECT_NE(error_of([&] { open_training_data(folder / "none"); }).find("does not exist"), std::string::npos);
  EXPECT_NE(error_of([&] { open_training_data(folder.path()); }).find("no class folders"), std::string::npos);
  write_text(folder / "a/1.png", "1");
  EXPECT_NE(error_of([&] { open_training_data(folder.path()); }).find("one class (a)"), std::string::npos);
  std::filesystem::create_directories(folder / "b");
  EXPECT_NE(error_of([&] { open_training_data(folder.path()); }).find((folder / "b").string()),
            std::string::npos);
  write_text(folder / "file", "x");
  EXPECT_NE(error_of([&] { open_training_data(folder / "file"); }).find("not a folder"), std::string::npos);
}

TEST(ImageFolder, TrainAndValMustHaveTheSameClasses) {
  const TemporaryFolder folder;
  write_text(folder / "train/a/1.png", "1");
  write_text(folder / "train/b/1.png", "2");
  write_text(folder / "val/a/1.png", "3");
  EXPECT_NE(error_of([&] { open_training_data(folder.path()); }).find("expected the same"),
            std::string::npos);
  write_text(folder / "val/b/1.png", "4");
  const TrainingData data = open_training_data(folder.path());
  EXPECT_EQ(data.train.size(), 2U);
  EXPECT_EQ(data.val.size(), 2U);
}

TEST(ImageFolder, WhatValidatesMayBeCalledOtherwiseButMustBeThere) {
  const TemporaryFolder folder;
  for (const std::string name : {"train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"})
    write_text(folder / name, name);
  // Not two classes called train and test.
  EXPECT_NE(error_of([&] { open_training_data(folder.path()); }).find("expected val/"), std::string::npos);
  write_text(folder / "valid/a/1.png", "1");
  write_text(folder / "valid/b/1.png", "2");
  const TrainingData data = open_training_data(folder.path());
  EXPECT_EQ(data.classes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(data.val.front().path, folder / "valid/a/1.png");
}

TEST(ImageFolder, TrainMayBeAClass) {
  const TemporaryFolder folder;
  for (const std::string name : {"train/1.png", "train/2.png", "bus/1.png", "bus/2.png"})
    write_text(folder / name, name);
  EXPECT_EQ(open_training_data(folder.path()).classes, (std::vector<std::string>{"bus", "train"}));
}

TEST(ImageFolder, NamesThatNoFileCouldHoldAreRefused) {
  const TemporaryFolder folder;
  write_text(folder / "a/1.png", "1");
  write_text(folder /
                 "\xfc"
                 "bel/1.png",
             "2");
  EXPECT_NE(error_of([&] { open_training_data(folder.path()); }).find("is no UTF-8"), std::string::npos);
}

TEST(Split, WhatCannotBeReadIsLeftToTraining) {
  const TemporaryFolder folder;
  for (int i = 0; i < 20; ++i)
    write_text(folder / ((i % 2 == 0 ? "a/" : "b/") + std::to_string(i) + ".png"), std::to_string(i));
  std::filesystem::create_symlink(folder / "gone.png", folder / "a/link.png");
  const TrainingData data = open_training_data(folder.path());
  EXPECT_EQ(data.train.size() + data.val.size(), 21U);
  EXPECT_EQ(data.val.size(), 2U);
}

TEST(Split, TakesATenthOfEachClassByContent) {
  const TemporaryFolder folder;
  const TemporaryFolder renamed;
  for (int i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_text(folder / ("a/" + name), "a" + name);
    write_text(renamed / ("a/x" + std::to_string(99 - i) + ".png"), "a" + name);
    if (i < 20) {
      write_text(folder / ("b/" + name), "b" + name);
      write_text(renamed / ("b/" + name), "b" + name);
    }
  }
  const auto contents = [](const std::vector<Sample>& samples) {
    std::set<std::string> result;
    for (const Sample& sample : samples) result.insert(read_text(sample.path));
    return result;
  };
  const TrainingData data = open_training_data(folder.path());
  std::map<int, int> count;
  for (const Sample& sample : data.val) ++count[sample.label];
  EXPECT_EQ(count[0], 4);
  EXPECT_EQ(count[1], 2);
  EXPECT_EQ(data.train.size() + data.val.size(), 60U);
  EXPECT_EQ(contents(open_training_data(renamed.path()).val), contents(data.val));
}

TEST(Split, HoldOutValidatesWithAPartOfTrainAndTestsWithVal) {
  const TemporaryFolder folder;
  for (int i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_text(folder / ("train/a/" + name), "a" + name);
    if (i < 20) write_text(folder / ("train/b/" + name), "b" + name);
    if (i < 3) write_text(folder / ("val/a/" + name), "val a" + name);
    if (i < 2) write_text(folder / ("val/b/" + name), "val b" + name);
  }
  TrainingData data = open_training_data(folder.path());
  EXPECT_EQ(data.test.size(), 0U);
  data = open_training_data(folder.path(), 0.2);
  EXPECT_EQ(data.train.size(), 48U);
  EXPECT_EQ(data.val.size(), 12U);
  ASSERT_EQ(data.test.size(), 5U);
  EXPECT_EQ(data.test.front().path, folder / "val/a/0.png");
  for (const Sample& sample : data.val)
    EXPECT_TRUE(sample.path.string().starts_with((folder / "train").string())) << sample.path;

  write_text(folder / "test/a/1.png", "test a");
  EXPECT_NE(error_of([&] { open_training_data(folder.path()); }).find("test/ has a; expected the same"),
            std::string::npos);
  write_text(folder / "test/b/1.png", "test b");
  EXPECT_EQ(open_training_data(folder.path()).test.size(), 2U);
  EXPECT_NE(error_of([&] { open_training_data(folder.path(), 0.2); }).find("--hold-out"), std::string::npos);
}

TEST(Split, CopiesStayOnOneSideAlsoAcrossClasses) {
  const TemporaryFolder folder;
  for (int i = 0; i < 30; ++i) {
    for (const std::string name : {"a/1_", "a/2_", "b/"}) {
      write_text(folder / (name + std::to_string(i) + ".png"), std::to_string(i));
    }
  }
  const TrainingData data = open_training_data(folder.path());
  std::set<std::string> val;
  for (const Sample& sample : data.val) val.insert(read_text(sample.path));
  EXPECT_EQ(val.size(), 3U);
  for (const Sample& sample : data.train) {
    EXPECT_FALSE(val.contains(read_text(sample.path))) << sample.path;
  }
}

}  // namespace
}  // namespace resnet
