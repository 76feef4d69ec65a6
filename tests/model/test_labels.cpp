#include <gtest/gtest.h>

#include "model/error.h"
#include "model/labels.h"
#include "tests/temporary_folder.h"

namespace resnet {
namespace {

class Labels : public testing::Test {
 protected:
  void expect_error(const std::string& text, const std::string& expected) {
    write_text(path_, text);
    try {
      read_labels(path_);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::format);
      EXPECT_NE(std::string(error.what()).find("class_indices.json"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "class_indices.json";
};

TEST_F(Labels, AreWrittenAsPythonWouldWithIndent4) {
  write_labels(path_, {"daisy", "蒲公英", "a \"b\""});
  EXPECT_EQ(read_text(path_),
            "{\n    \"0\": \"daisy\",\n    \"1\": \"蒲公英\",\n    \"2\": \"a \\\"b\\\"\"\n}\n");
  EXPECT_EQ(read_labels(path_), (std::vector<std::string>{"daisy", "蒲公英", "a \"b\""}));
}

TEST_F(Labels, ATextFileHasOneOnEachLine) {
  path_ = folder_ / "class_indices.json.txt";
  const std::vector<std::string> expected{"daisy", "common dandelion", "蒲公英"};
  for (const char* text : {"daisy\ncommon dandelion\n蒲公英\n", "daisy\ncommon dandelion\n蒲公英",
                           "\xEF\xBB\xBF"
                           "daisy\r\ncommon dandelion\r\n蒲公英\r\n"}) {
    write_text(path_, text);
    EXPECT_EQ(read_labels(path_), expected);
  }
  expect_error("", "is empty");
  expect_error("daisy\n\nroses\n", "line 2 is empty");
  expect_error("daisy\nro\xFFses\n", "line 2 is no text");
  expect_error(std::string("dai\0sy\n", 7), "line 1 is no text");
}

TEST_F(Labels, KeysMayComeInAnyOrder) {
  std::string text = "{";
  for (int i = 11; i >= 0; --i)
    text += "\"" + std::to_string(i) + "\": \"c" + std::to_string(i) + "\"" + (i ? "," : "}");
  write_text(path_, text);
  const std::vector<std::string> labels = read_labels(path_);
  ASSERT_EQ(labels.size(), 12u);
  EXPECT_EQ(labels[2], "c2");
  EXPECT_EQ(labels[10], "c10");
}

TEST_F(Labels, AByteOrderMarkIsSkipped) {
  write_text(path_, "\xEF\xBB\xBF{\"0\": \"daisy\"}");
  EXPECT_EQ(read_labels(path_), std::vector<std::string>{"daisy"});
}

TEST_F(Labels, MoreThanTenAreWrittenInNumericalOrder) {
  write_labels(path_, std::vector<std::string>(12, "x"));
  const std::string text = read_text(path_);
  EXPECT_LT(text.find("\"2\""), text.find("\"10\""));
}

TEST_F(Labels, BadDocumentsAreErrors) {
  expect_error("", "JSON");
  expect_error("{\"0\": \"a\"", "JSON");
  expect_error("[\"a\", \"b\"]", "expected an object");
  expect_error("{}", "no labels");
  expect_error("{\"0\": \"a\", \"0\": \"b\"}", "twice");
  expect_error("{\"0\": \"a\", \"2\": \"b\"}", "'2'");
  expect_error("{\"0\": \"a\", \"01\": \"b\"}", "'01'");
  expect_error("{\"0\": \"a\", \"-1\": \"b\"}", "'-1'");
  expect_error("{\"0\": \"a\", \"99999999999999999999\": \"b\"}", "'99999999999999999999'");
  expect_error("{\"daisy\": 0}", "'daisy'");
  expect_error("{\"0\": 7}", "'0'");
  expect_error("{\"0\": \"\xff\"}", "JSON");
  expect_error(std::string(100'000, '['), "nested");
  std::string many = "{";
  for (int i = 0; i < 100'001; ++i) many += "\"" + std::to_string(i) + "\":\"\",";
  many.back() = '}';
  expect_error(many, "100001 labels");
}

TEST_F(Labels, AMissingFileIsNotFound) {
  try {
    read_labels(path_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(std::string(error.what()).find("class_indices.json"), std::string::npos);
  }
}

TEST_F(Labels, AFailedWriteLeavesTheOldFile) {
  write_labels(path_, {"a"});
  EXPECT_THROW(write_labels(path_, {"\xff"}), Error);
  EXPECT_EQ(read_labels(path_), std::vector<std::string>{"a"});
  EXPECT_THROW(write_labels(folder_ / "no/x.json", {"a"}), Error);
}

}  // namespace
}  // namespace resnet
