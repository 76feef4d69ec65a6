// `resnet quantize` and what the other commands make of its file.
#include <regex>

#include <ATen/ATen.h>

#include "model/checkpoint.h"
#include "tests/training/command_fixture.h"

namespace resnet {
namespace {

class QuantizeCommand : public Command {
 protected:
  std::string output() const { return (folder_ / "int8.safetensors").string(); }
  Result quantize(const Arguments& more = {}) const {
    return run(Arguments{"quantize", model(), data(), "--output", output()} + more);
  }
  static nlohmann::json description(const std::string& file) {
    return nlohmann::json::parse(run({"inspect", file, "--json"}).out).at("model");
  }
  /// The drawn pictures with the colours in each other's folders.
  std::string swapped_data() const {
    for (const std::string part : {"train", "val"}) {
      fs::create_directories(folder_ / ("swapped/" + part));
      fs::copy(data() + "/" + part + "/red", folder_ / ("swapped/" + part + "/blue"));
      fs::copy(data() + "/" + part + "/blue", folder_ / ("swapped/" + part + "/red"));
    }
    return (folder_ / "swapped").string();
  }
  /// The trained network with a channel behind the stem that is huge and that nothing reads: the range which
  /// it takes leaves the others none of 8 bits.
  std::string write_fragile_model() const {
    Checkpoint checkpoint = read_checkpoint(model());
    for (auto& [name, tensor] : checkpoint.tensors) {
      if (name == "bn1.weight") tensor[0] = 0;
      if (name == "bn1.bias") tensor[0] = 1e5;
      const bool reads = name == "layer1.0.conv1.weight" || name == "layer2.0.conv1.weight" ||
                         name == "layer2.0.downsample.0.weight";
      if (reads) tensor.select(1, 0).zero_();
    }
    checkpoint.info.erase("digest");
    const fs::path path = folder_ / "fragile.pth";
    write_checkpoint(path, checkpoint.tensors, checkpoint.info);
    return path.string();
  }

  const TemporaryFolder folder_;
};

TEST_F(QuantizeCommand, WritesAModelThatSaysWhatItLost) {
  const Result result = quantize({"--pictures", "10"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(std::regex_match(
      result.out,
      std::regex("int8 1\\.0000 of 8 held-out pictures right, fp32 1\\.0000 \\(0\\.00 points lost\\), the "
                 "same class first for 1\\.0000\n")))
      << result.out;
  const nlohmann::json quantization = description(output()).at("quantization");
  EXPECT_EQ(quantization["method"], "mse");
  EXPECT_EQ(quantization["pictures"], 10);
  EXPECT_EQ(quantization["accuracy"],
            (nlohmann::json{{"fp32", 1.0}, {"int8", 1.0}, {"agreement", 1.0}, {"pictures", 8}}));
  EXPECT_LT(fs::file_size(output()), fs::file_size(model()) / 2);
  const std::string text = run({"inspect", output()}).out;
  EXPECT_TRUE(contains(text, "quantized: int8, ranges by mse of 10 pictures\n")) << text;
  EXPECT_TRUE(contains(text, "accuracy: int8 1.0000 of 8 held-out pictures right")) << text;
  EXPECT_TRUE(contains(text, "layer1.0.conv1.weight_scale")) << text;
}

TEST_F(QuantizeCommand, TheResultClassifiesLikeAnyModel) {
  ASSERT_EQ(quantize().code, 0);
  for (const std::string precision : {"fp32", "auto"}) {
    const Result result = run({"evaluate", "--model", output(), data(), "--json", "--precision", precision});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_GE(nlohmann::json::parse(result.out)["accuracy"], 0.9);
  }
}

TEST_F(QuantizeCommand, EachMethodChoosesItsRanges) {
  std::vector<nlohmann::json> scales;
  for (const std::string method : {"min-max", "percentile", "mse"}) {
    const Result result = quantize({"--method", method, "--max-loss", "100"});
    ASSERT_EQ(result.code, 0) << result.err;
    const nlohmann::json quantization = description(output()).at("quantization");
    EXPECT_EQ(quantization["method"], method);
    scales.push_back(quantization["output_scales"]);
  }
  EXPECT_NE(scales[0], scales[1]);
  EXPECT_NE(scales[0], scales[2]);
  for (std::size_t i = 0; i < scales[0].size(); ++i) EXPECT_GE(scales[0][i], scales[2][i]);
}

TEST_F(QuantizeCommand, TheSameCommandWritesTheSameFile) {
  ASSERT_EQ(quantize().code, 0);
  const std::string first = read_text(output());
  ASSERT_EQ(quantize().code, 0);
  EXPECT_EQ(read_text(output()), first);
}

TEST_F(QuantizeCommand, RefusesToLoseMoreThanAllowed) {
  const std::string fragile = write_fragile_model();
  write_text(output(), "what was there");
  const Arguments command{"quantize", fragile, data(), "--output", output()};
  const Result result = run(command);
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(std::regex_search(
      result.err,
      std::regex("resnet: error: 8 bits lose too much: int8 0\\.\\d{4} of 8 held-out pictures right, fp32 "
                 "\\d\\.\\d{4} \\(\\d+\\.\\d\\d points lost\\), .*at most 0\\.5 points.*--max-loss")))
      << result.err;
  EXPECT_EQ(read_text(output()), "what was there");
  EXPECT_EQ(run(command + Arguments{"--max-loss", "100"}).code, 0);
  EXPECT_TRUE(contains(run({"inspect", output()}).out, "points lost"));
}

TEST_F(QuantizeCommand, ClassesAreMatchedByName) {
  const Result result = run({"quantize", model(), swapped_data(), "--output", output()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "int8 0.0000 of 8 held-out pictures right, fp32 0.0000")) << result.out;
  write_picture(folder_ / "swapped/train/green/1.png", {0, 200, 0}, 1);
  write_picture(folder_ / "swapped/val/green/1.png", {0, 200, 0}, 1);
  expect_error({"quantize", model(), (folder_ / "swapped").string(), "--output", output()}, "green");
}

TEST_F(QuantizeCommand, OneFolderIsSplit) {
  const Result result = run({"quantize", model(), data() + "/train", "--output", output()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(description(output()).at("quantization").at("pictures"), 22);
  EXPECT_EQ(description(output()).at("quantization").at("accuracy").at("pictures"), 2);
}

TEST_F(QuantizeCommand, WhatCannotBeReadIsSkippedAndNamed) {
  fs::copy(data(), folder_ / "data", fs::copy_options::recursive);
  write_text(folder_ / "data/train/red/broken.jpg", "no picture");
  write_text(folder_ / "data/val/red/broken.jpg", "no picture");
  write_text(folder_ / "data/val/red/notes.txt", "no picture");
  const Result result = run({"quantize", model(), (folder_ / "data").string(), "--output", output()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "train/red/broken.jpg")) << result.err;
  EXPECT_TRUE(contains(result.err, "val/red/broken.jpg")) << result.err;
  EXPECT_TRUE(contains(result.err, "val/red/notes.txt")) << result.err;
  EXPECT_EQ(description(output()).at("quantization").at("accuracy").at("pictures"), 8);
}

TEST_F(QuantizeCommand, AQuantizedModelIsConvertedAsItIs) {
  ASSERT_EQ(quantize().code, 0);
  const std::string other = (folder_ / "other.safetensors").string();
  ASSERT_EQ(run({"convert", output(), other, "--threshold", "0.25"}).code, 0);
  EXPECT_EQ(digest(other), digest(output()));
  EXPECT_EQ(description(other).at("quantization"), description(output()).at("quantization"));
  expect_error({"convert", output(), other, "--mean", "0.5,0.5,0.5"}, "quantized for its preprocessing");
  expect_error({"convert", output(), (folder_ / "m.onnx").string()},
               "is quantized, and ONNX is written in fp32 only");
}

TEST_F(QuantizeCommand, TemperatureAndThresholdAreKeptAndCanBeFitted) {
  const std::string plain = (folder_ / "plain.pth").string(), copy = (folder_ / "copy.pth").string();
  Checkpoint checkpoint = read_checkpoint(model());
  checkpoint.info["temperature"] = 0.75;
  checkpoint.info["threshold"] = 0.25;
  write_checkpoint(plain, checkpoint.tensors, checkpoint.info);
  ASSERT_EQ(run({"quantize", plain, data(), "--output", output()}).code, 0);
  ASSERT_EQ(run({"convert", plain, copy}).code, 0);
  for (const std::string& file : {output(), copy}) {
    EXPECT_EQ(description(file).at("temperature"), 0.75);
    EXPECT_EQ(description(file).at("threshold"), 0.25);
  }
  nlohmann::json before = description(output());
  const Result result = run({"evaluate", "--model", output(), data(), "--calibrate"});
  ASSERT_EQ(result.code, 0) << result.err;
  nlohmann::json after = description(output());  // which also checks the digest
  EXPECT_NE(after.at("temperature"), 0.75);
  for (const char* key : {"temperature", "threshold"}) after[key] = before[key];
  EXPECT_EQ(after, before);
}

TEST_F(QuantizeCommand, SaysWhatIsWrong) {
  expect_error({"quantize", model(), data()}, "--output");
  expect_error({"quantize", model(), data(), "--output", output(), "--method", "entropy"}, "entropy");
  expect_error({"quantize", (folder_ / "none.pth").string(), data(), "--output", output()}, "none.pth");
  expect_error({"quantize", model(), (folder_ / "none").string(), "--output", output()}, "does not exist");
  expect_error({"quantize", model(), data(), "--output", folder_.path().string()}, "is a folder");
  EXPECT_FALSE(fs::exists(output()));
  ASSERT_EQ(quantize().code, 0);
  expect_error({"quantize", output(), data(), "--output", output()}, "quantized already");
  expect_error(Arguments{"train", data(), "--weights", output(), "--output", (folder_ / "m.pth").string()},
               "is a quantized model");
}

}  // namespace
}  // namespace resnet
