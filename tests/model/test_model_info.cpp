#include <gtest/gtest.h>

#include "model/error.h"
#include "model/model_info.h"

namespace resnet {
namespace {

ModelInfo read(const char* text) {
  return model_info_from_json(nlohmann::json::parse(text), ModelInfo{}, "'a.pth'");
}

void expect_error(const char* text, const std::string& expected) {
  try {
    read(text);
    ADD_FAILURE() << "accepted: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::format);
    EXPECT_NE(std::string(error.what()).find("'a.pth'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("\"" + expected + "\""), std::string::npos) << error.what();
  }
}

TEST(ModelInfo, SurvivesJson) {
  ModelInfo info;
  info.architecture = {BlockType::bottleneck, {1, 2, 3, 4}, 16, 4, 32};
  info.classes = {"daisy", "蒲公英"};
  info.preprocessing = {
      232, 176, Fit::stretch, Interpolation::bicubic, {0.1f, 0.2f, 0.3f}, {1.0f, 0.5f, 0.25f}};
  info.temperature = 1.372;
  info.threshold = 0.25;
  info.activation = Activation::sigmoid;
  info.metrics = {{"val_accuracy", 0.91}, {"epoch", 12}};
  info.digest = "sha256:00";
  info.quantization = Quantization{{0.1F, 0, 1.0F / 3}, "mse", 256, QuantizationAccuracy{0.5, 0.25, 0.75, 8}};
  const ModelInfo back = model_info_from_json(nlohmann::json::parse(to_json(info).dump()), ModelInfo{}, "x");
  EXPECT_EQ(back.architecture, info.architecture);
  EXPECT_EQ(back.classes, info.classes);
  EXPECT_EQ(back.preprocessing, info.preprocessing);
  EXPECT_EQ(back.temperature, info.temperature);
  EXPECT_EQ(back.threshold, info.threshold);
  EXPECT_EQ(back.activation, info.activation);
  EXPECT_EQ(back.metrics, info.metrics);
  EXPECT_EQ(back.digest, info.digest);
  ASSERT_TRUE(back.quantization && back.quantization->accuracy);
  EXPECT_EQ(back.quantization->output_scale, info.quantization->output_scale);
  EXPECT_EQ(back.quantization->method, "mse");
  EXPECT_EQ(back.quantization->pictures, 256);
  EXPECT_EQ(back.quantization->accuracy->fp32, 0.5);
  EXPECT_EQ(back.quantization->accuracy->int8, 0.25);
  EXPECT_EQ(back.quantization->accuracy->agreement, 0.75);
  EXPECT_EQ(back.quantization->accuracy->pictures, 8);
}

TEST(ModelInfo, WritesShortNumbersAndTheName) {
  const nlohmann::json document = to_json(ModelInfo{});
  EXPECT_EQ(document["preprocessing"]["mean"].dump(), "[0.485,0.456,0.406]");
  EXPECT_EQ(document["architecture"]["name"], "resnet18");
  EXPECT_FALSE(document.contains("temperature")) << "1 is what everybody takes";
}

TEST(ModelInfo, WhatIsNotStatedKeepsTheDefaults) {
  ModelInfo defaults;
  defaults.classes = {"a"};
  defaults.preprocessing.resize_size = 300;
  EXPECT_EQ(model_info_from_json(nullptr, defaults, "x").preprocessing.resize_size, 300);
  const ModelInfo info =
      model_info_from_json(nlohmann::json::parse(R"({"preprocessing": {"crop_size": 128}})"), defaults, "x");
  EXPECT_EQ(info.preprocessing.resize_size, 300);
  EXPECT_EQ(info.preprocessing.crop_size, 128);
  defaults.preprocessing.fit = Fit::stretch;
  const auto cropped = nlohmann::json::parse(R"({"preprocessing": {"fit": "crop"}})");
  EXPECT_EQ(model_info_from_json(cropped, defaults, "x").preprocessing.fit, Fit::crop);
  EXPECT_EQ(info.classes, defaults.classes);
  EXPECT_FALSE(info.threshold);
  EXPECT_EQ(info.temperature, 1);
}

TEST(ModelInfo, BadValuesAreErrorsThatNameThem) {
  expect_error(R"({"preprocessing": 3})", "preprocessing");
  expect_error(R"({"preprocessing": {"crop_size": 0}})", "preprocessing.crop_size");
  expect_error(R"({"preprocessing": {"crop_size": 1.5}})", "preprocessing.crop_size");
  expect_error(R"({"preprocessing": {"resize_size": 5000}})", "preprocessing.resize_size");
  expect_error(R"({"preprocessing": {"resize_size": 18446744073709551615}})", "preprocessing.resize_size");
  expect_error(R"({"preprocessing": {"resize_size": 100, "crop_size": 101}})", "preprocessing.crop_size");
  expect_error(R"({"preprocessing": {"interpolation": "lanczos"}})", "preprocessing.interpolation");
  expect_error(R"({"preprocessing": {"mean": [0.5, 0.5]}})", "preprocessing.mean");
  expect_error(R"({"preprocessing": {"mean": [0.5, 0.5, 1e300]}})", "preprocessing.mean");
  expect_error(R"({"preprocessing": {"mean": [-1e300, 0, 0]}})", "preprocessing.mean");
  expect_error(R"({"preprocessing": {"std": [0.5, 0.5, 0]}})", "preprocessing.std");
  expect_error(R"({"preprocessing": {"std": [0.5, 0.5, "1"]}})", "preprocessing.std");
  expect_error(R"({"classes": "daisy"})", "classes");
  expect_error(R"({"classes": ["daisy", 1]})", "classes");
  expect_error(R"({"threshold": 1.5})", "threshold");
  expect_error(R"({"threshold": "0.5"})", "threshold");
  expect_error(R"({"temperature": 0})", "temperature");
  expect_error(R"({"temperature": -1})", "temperature");
  expect_error(R"({"temperature": 1e300})", "temperature");
  expect_error(R"({"temperature": 1e-300})", "temperature");
  expect_error(R"({"temperature": "1"})", "temperature");
  expect_error(R"({"preprocessing": {"fit": "pad"}})", "preprocessing.fit");
  expect_error(R"({"activation": "relu"})", "activation");
  expect_error(R"({"metrics": []})", "metrics");
  expect_error(R"({"digest": 1})", "digest");
  expect_error(R"({"quantization": []})", "quantization");
  expect_error(R"({"quantization": {}})", "quantization.output_scales");
  expect_error(R"({"quantization": {"output_scales": {"0": 1}}})", "quantization.output_scales");
  expect_error(R"({"quantization": {"output_scales": [1, "1"]}})", "quantization.output_scales");
  expect_error(R"({"quantization": {"output_scales": [1, -1]}})", "quantization.output_scales");
  expect_error(R"({"quantization": {"output_scales": [1, 1e300]}})", "quantization.output_scales");
  expect_error(R"({"quantization": {"output_scales": [1], "method": 1}})", "quantization.method");
  expect_error(R"({"quantization": {"output_scales": [1], "pictures": -1}})", "quantization.pictures");
  expect_error(R"({"quantization": {"output_scales": [1], "accuracy": {"int8": 2}}})",
               "quantization.accuracy.int8");
  expect_error(R"({"architecture": {"block": "Transformer"}})", "architecture.block");
  expect_error(R"({"architecture": {"layers": [1, 2, 3]}})", "architecture.layers");
  expect_error(R"({"architecture": {"layers": [1, 2, 3, 0]}})", "architecture.layers");
  expect_error(R"({"architecture": {"width": -64}})", "architecture.width");
  EXPECT_THROW(read("[]"), Error);
}

TEST(ModelInfo, TooManyClassesAreAnError) {
  nlohmann::json document;
  document["classes"] = std::vector<std::string>(100'001, "x");
  EXPECT_THROW(model_info_from_json(document, ModelInfo{}, "x"), Error);
}

}  // namespace
}  // namespace resnet
