// Networks as ONNX: what ONNX's own checker finds in the files, and what ONNX Runtime computes of them.
#include <cstdlib>

#include <ATen/ops/linspace.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "model/error.h"
#include "model/model_file.h"
#include "model/resnet.h"
#include "tests/model/checkpoint_fixtures.h"
#include "tests/model/small_network.h"
#include "tests/training/onnx_reader.h"
#include "training/onnx_export.h"

namespace resnet::testing {
namespace {

using Json = nlohmann::json;

class Onnx : public CheckpointTest {
 protected:
  Json write_and_read(const ResNet& network, const ModelInfo& info = {}) const {
    write_onnx(folder_ / "m.onnx", network, info);
    return read_onnx(folder_ / "m.onnx");
  }
};

TEST_F(Onnx, AnyBatchAndPictureSizeGoInAndLogitsComeOut) {
  const Json found = write_and_read(make_network(small_basic(), 5));
  EXPECT_EQ(found["inputs"], Json::parse(R"({"input": ["batch", 3, "height", "width"]})"));
  EXPECT_EQ(found["outputs"], Json::parse(R"({"logits": ["batch", 5]})"));
  EXPECT_EQ(found["opset"], 13);
  EXPECT_EQ(found["producer"], "gst-resnet");
}

TEST_F(Onnx, BatchNormsAreFoldedAndWeightsKeepTheirNames) {
  const ResNet network = make_network(small_bottleneck(), 5);
  const Json found = write_and_read(network);
  EXPECT_EQ(found["operators"], Json::parse(R"({"Conv": 20, "Relu": 16, "Add": 5, "MaxPool": 1,
      "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1})"));
  std::size_t weights = 0;
  for (const auto& [name, tensor] : network->state_dict()) {
    if (tensor.dim() < 2) continue;
    EXPECT_EQ(found["initializers"][name], tensor.sizes().vec()) << name;
    ++weights;
  }
  EXPECT_EQ(found["initializers"].size(), 2 * weights);  // and a bias for each
}

TEST_F(Onnx, WithoutAHeadFeaturesComeOut) {
  const Json found = write_and_read(make_network(small_basic(), 0));
  EXPECT_EQ(found["outputs"], Json::parse(R"({"features": ["batch", 128]})"));
  EXPECT_FALSE(found["operators"].contains("Gemm"));
}

TEST_F(Onnx, TheFileSaysWhatTheModelFileSays) {
  ModelInfo info;
  info.classes = {"daisy", "郁金香"};
  info.preprocessing.resize_size = 232;
  info.preprocessing.mean = {0.5F, 0.25F, 0.75F};
  info.digest = "sha256:00";
  const Json metadata = write_and_read(make_network(small_grouped(), 2), info)["metadata"];
  EXPECT_EQ(Json::parse(metadata["classes"].get<std::string>()), Json(info.classes));
  const Json preprocessing = Json::parse(metadata["preprocessing"].get<std::string>());
  EXPECT_EQ(preprocessing["resize_size"], 232);
  EXPECT_EQ(preprocessing["crop_size"], 224);
  EXPECT_EQ(preprocessing["interpolation"], "bilinear");
  EXPECT_EQ(preprocessing["mean"], (Json{0.5, 0.25, 0.75}));
  EXPECT_EQ(Json::parse(metadata["architecture"].get<std::string>())["groups"], 4);
  EXPECT_EQ(metadata["activation"], "softmax");
  EXPECT_EQ(metadata["digest"], "sha256:00");
}

TEST_F(Onnx, MoreThanAFileHoldsIsRefused) {
  // Its memory is never touched.
  const ResNet network =
      make_resnet(Architecture{BlockType::bottleneck, {3, 8, 36, 3}, 256, 1, 64}, 5, InitialWeights::unset);
  try {
    write_onnx(folder_ / "large.onnx", network, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unsupported);
    EXPECT_NE(std::string(error.what()).find("large.onnx"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("less than 2 GiB"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(Onnx, OnnxRuntimeComputesTheSameLogits) {
  if (!has_python() || std::system("\"$RESNET_PYTHON\" -c 'import onnxruntime' 2>/dev/null") != 0)
    GTEST_SKIP() << "RESNET_PYTHON names no Python with onnxruntime";
  const at::NoGradGuard no_grad;
  std::vector<std::string> names;
  const auto add = [&](const std::string& name, const Architecture& architecture, int classes,
                       const std::vector<std::int64_t>& shape) {
    ResNet network = make_network(architecture, classes);
    write_onnx(folder_ / (name + ".onnx"), network, {});
    const at::Tensor input = at::randn(shape);
    write_safetensors(folder_ / (name + ".safetensors"),
                      {{"input", input}, {"expected", network->forward(input)}}, nullptr);
    names.push_back((folder_ / name).string());
  };
  add("resnet18", find_architecture("resnet18"), 1000, {2, 3, 64, 64});
  add("bottleneck", small_bottleneck(), 7, {1, 3, 96, 64});
  add("grouped", small_grouped(), 7, {3, 3, 33, 57});
  add("headless", small_basic(), 0, {2, 3, 64, 64});
  run_python(R"(
import sys, numpy, onnxruntime, safetensors.numpy
for name in sys.argv[1:]:
    case = safetensors.numpy.load_file(name + '.safetensors')
    session = onnxruntime.InferenceSession(name + '.onnx', providers=['CPUExecutionProvider'])
    found, = session.run(None, {'input': case['input']})
    error = numpy.abs(found - case['expected']).max() / numpy.abs(case['expected']).max()
    assert found.shape == case['expected'].shape and error <= 1e-4, (name, found.shape, error)
)",
             names);
}

}  // namespace
}  // namespace resnet::testing
