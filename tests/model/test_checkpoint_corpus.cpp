// What the fuzzers found, read here and by torch.load(weights_only=True) or the safetensors package: where
// both accept a file the tensors are equal, and where one refuses it there is a reason that we know.
#include <cstdlib>
#include <fstream>
#include <map>

#include "tests/model/checkpoint_fixtures.h"

namespace resnet::testing {
namespace {

/// What read_checkpoint says of a file.
nlohmann::json answer_to(const std::filesystem::path& path) {
  try {
    nlohmann::json tensors = nlohmann::json::array();
    for (const auto& [name, tensor] : read_checkpoint(path).tensors) {
      tensors.push_back({dtype_name(tensor.scalar_type()), tensor.sizes().vec(), sha256(tensor)});
    }
    return {{"tensors", tensors}};
  } catch (const Error& error) {
    return {{"error", error.what()}};
  }
}

class Corpus : public CheckpointTest {
 protected:
  void SetUp() override {
    if (!has_python()) GTEST_SKIP() << "RESNET_PYTHON names no Python with torch and safetensors";
  }
};

TEST_F(Corpus, PythonReadsTheSameOrWeKnowWhyNot) {
  const char* root = std::getenv("RESNET_SOURCE_ROOT");
  ASSERT_NE(root, nullptr);
  const std::filesystem::path tests = std::filesystem::path(root) / "tests";
  nlohmann::json answers = nlohmann::json::object();
  for (const std::string kind : {"legacy", "pickle", "safetensors", "tar", "zip"}) {
    for (const auto& entry : std::filesystem::directory_iterator(tests / "fuzz" / "corpus" / kind)) {
      const std::string name =
          kind + "-" + entry.path().filename().string() + (kind == "safetensors" ? ".safetensors" : ".pth");
      std::string bytes = read_text(entry.path());
      if (kind == "pickle") {
        bytes = make_zip({{"a/data.pkl", bytes}, {"a/version", "3\n"}, {"a/data/0", std::string(64, '\1')}});
      }
      answers[name] = answer_to(file(name, bytes));
    }
  }
  ASSERT_GT(answers.size(), 400U);
  const auto said =
      file("answers.json", answers.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  run_python(read_text(tests / "model" / "corpus_answers.py"), {folder_.string(), said.string()});
}

}  // namespace
}  // namespace resnet::testing
