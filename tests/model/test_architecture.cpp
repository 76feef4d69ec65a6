#include <map>

#include <gtest/gtest.h>

#include "model/architecture.h"
#include "model/error.h"

namespace resnet {
namespace {

using Shape = std::vector<std::int64_t>;
using ShapeMap = std::map<std::string, Shape>;

ShapeMap shapes_of(const Architecture& architecture, int classes) {
  ShapeMap shapes;
  for (const auto& [name, shape] : state_dict_shapes(architecture, classes)) shapes[name] = shape;
  return shapes;
}

InferredArchitecture infer(const ShapeMap& shapes) {
  return infer_architecture([&](const std::string& name) -> std::optional<Shape> {
    const auto found = shapes.find(name);
    return found == shapes.end() ? std::nullopt : std::optional(found->second);
  });
}

void expect_refused(const ShapeMap& shapes, const std::string& expected) {
  try {
    infer(shapes);
    ADD_FAILURE() << "accepted; expected: " << expected;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_TRUE(std::string(error.what()).starts_with("not a supported ResNet: ")) << error.what();
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
  }
}

bool is_parameter(const std::string& name) {
  return name.find("running_") == std::string::npos && name.find("num_batches") == std::string::npos;
}

TEST(Architecture, ParameterCountsAreTorchvisions) {
  const std::map<std::string, std::int64_t> counts = {
      {"resnet18", 11'689'512},         {"resnet34", 21'797'672},         {"resnet50", 25'557'032},
      {"resnet101", 44'549'160},        {"resnet152", 60'192'808},        {"resnext50_32x4d", 25'028'904},
      {"resnext101_32x8d", 88'791'336}, {"resnext101_64x4d", 83'455'272}, {"wide_resnet50_2", 68'883'240},
      {"wide_resnet101_2", 126'886'696}};
  const std::vector<std::string> names = architecture_names();
  ASSERT_EQ(names.size(), counts.size());
  for (const std::string& name : names) {
    std::int64_t count = 0;
    for (const auto& [tensor, shape] : state_dict_shapes(find_architecture(name), 1000)) {
      if (!is_parameter(tensor)) continue;
      std::int64_t elements = 1;
      for (const std::int64_t size : shape) elements *= size;
      count += elements;
    }
    EXPECT_EQ(count, counts.at(name)) << name;
  }
}

TEST(Architecture, IsInferredFromShapes) {
  for (const std::string& name : architecture_names()) {
    const InferredArchitecture found = infer(shapes_of(find_architecture(name), 17));
    EXPECT_EQ(found.architecture, find_architecture(name)) << name;
    EXPECT_EQ(found.architecture.name(), name);
    EXPECT_EQ(found.num_classes, 17);
  }
}

TEST(Architecture, OfAnyDepthAndWidthIsInferred) {
  const std::vector<Architecture> some = {
      {BlockType::basic, {1, 1, 1, 1}, 16, 1, 64},
      {BlockType::basic, {1, 2, 3, 4}, 20, 1, 64},
      {BlockType::bottleneck, {1, 1, 2, 1}, 16, 1, 64},
      {BlockType::bottleneck, {1, 1, 2, 1}, 16, 4, 32},
      {BlockType::bottleneck, {2, 1, 1, 1}, 24, 8, 40},
      {BlockType::bottleneck, {2, 2, 2, 2}, 64, 1, 64},     // timm's resnet26
      {BlockType::bottleneck, {3, 4, 23, 3}, 64, 32, 48}};  // and 32x48d
  for (const Architecture& architecture : some) {
    EXPECT_EQ(infer(shapes_of(architecture, 0)).architecture, architecture) << architecture.name();
  }
  EXPECT_EQ(some[0].name(), "ResNet (BasicBlock 1-1-1-1, width 16)");
  EXPECT_EQ(some[3].name(), "ResNet (Bottleneck 1-1-2-1, width 16, groups 4, width per group 32)");
}

TEST(Architecture, WithoutAHeadHasNoClasses) {
  EXPECT_EQ(infer(shapes_of(find_architecture("resnet50"), 0)).num_classes, 0);
}

TEST(Architecture, Conv3DoesNotMakeABasicBlockABottleneck) {
  ShapeMap shapes = shapes_of(find_architecture("resnet34"), 5);
  shapes["layer1.0.conv3.weight"] = {256, 64, 1, 1};
  EXPECT_EQ(infer(shapes).architecture.name(), "resnet34");
}

TEST(Architecture, WhatIsNoResNetIsRefusedByName) {
  const ShapeMap good = shapes_of(find_architecture("resnet50"), 5);
  expect_refused({}, "no tensor 'conv1.weight'");
  const auto with = [&](const std::string& name, const Shape& shape) {
    ShapeMap shapes = good;
    shapes[name] = shape;
    return shapes;
  };
  expect_refused(with("conv1.weight", {64, 3, 3, 3}), "'conv1.weight' has shape [64, 3, 3, 3]");
  expect_refused(with("conv1.weight", {64, 3, 7}), "'conv1.weight'");
  expect_refused(with("conv1.weight", {0, 3, 7, 7}), "'conv1.weight'");
  expect_refused(with("conv1.weight", {std::int64_t{1} << 40, 3, 7, 7}), "'conv1.weight'");
  expect_refused(with("layer1.0.conv1.weight", {64, 64, 5, 5}), "'layer1.0.conv1.weight'");
  expect_refused(with("layer1.0.conv2.weight", {64, 48, 3, 3}), "'layer1.0.conv2.weight'");
  expect_refused(with("layer4.0.conv2.weight", {999, 512, 3, 3}), "width per group");
  expect_refused(with("fc.weight", {5, 512}), "'fc.weight' has shape [5, 512], expected [classes, 2048]");
  ShapeMap shapes = good;
  for (int i = 0; i < 3; ++i) shapes.erase("layer4." + std::to_string(i) + ".conv1.weight");
  expect_refused(shapes, "'layer4.0.conv1.weight'");
}

TEST(Architecture, AnUnknownNameListsTheKnown) {
  try {
    find_architecture("resnet35");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("'resnet35'"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("resnet18, resnet34, resnet50"), std::string::npos);
  }
}

}  // namespace
}  // namespace resnet
