// Quantized networks and their files: what they keep to the bit, and what each bad file is told.
#include <algorithm>
#include <functional>

#include <ATen/ATen.h>

#include "model/cpu/executor_cpu.h"
#include "model/lowering.h"
#include "model/model_file.h"
#include "model/quantization.h"
#include "model/quantized_state.h"
#include "model/resnet.h"
#include "tests/model/checkpoint_fixtures.h"
#include "tests/model/quantized_reference.h"
#include "tests/model/small_network.h"
#include "training/calibration.h"

namespace resnet::testing {
namespace {

constexpr int classes = 5;
const std::vector<Architecture> architectures{small_basic(), small_bottleneck(), small_grouped(),
                                              find_architecture("resnet34")};

at::Tensor by_channel(const at::Tensor& scale) { return scale.view({-1, 1, 1, 1}); }

TEST(Quantization, WeightsAreRoundedToTheScaleOfTheirChannel) {
  at::Tensor weight = at::randn({6, 4, 3, 3}) * by_channel(at::logspace(-6, 4, 6));
  weight[2].zero_();
  const QuantizedWeights quantized = quantize_weights(weight);
  EXPECT_EQ(quantized.values.scalar_type(), at::kChar);
  EXPECT_EQ(quantized.scale.sizes(), (at::IntArrayRef{6}));
  EXPECT_EQ(quantized.scale[2].item<float>(), 1);
  const at::Tensor largest = quantized.values.abs().amax({1, 2, 3});
  for (int channel = 0; channel < 6; ++channel) {
    EXPECT_EQ(largest[channel].item<int>(), channel == 2 ? 0 : 127);
    const at::Tensor error = weight[channel] - quantized.values[channel] * quantized.scale[channel];
    EXPECT_LE(error.abs().max().item<float>(), 0.501F * quantized.scale[channel].item<float>());
  }
}

TEST(Quantization, QuantizedWeightsAreQuantizedToThemselves) {
  // Enough channels that each bit of a scale is either.
  const at::Tensor weight = at::randn({40'000, 1, 1, 2}) * by_channel(at::logspace(-8, 8, 40'000));
  const QuantizedWeights once = quantize_weights(weight);
  const QuantizedWeights twice = quantize_weights(once.values * by_channel(once.scale));
  EXPECT_TRUE(twice.values.equal(once.values));
  EXPECT_TRUE(twice.scale.equal(once.scale));
}

TEST(Quantization, WeightsStayTheSameWhereALargestOneIs127) {
  const at::Tensor values = at::tensor({3, -127, 0, 0}, at::kChar).view({2, 2, 1, 1});
  const at::Tensor scale = at::tensor({0.5F, 1.0F});
  EXPECT_TRUE(stay_the_same({values, scale}));
  for (const int largest : {126, -128}) {
    at::Tensor others = values.clone();
    others[0][1][0][0] = largest;
    EXPECT_FALSE(stay_the_same({others, scale})) << largest;
  }
}

TEST(Quantization, StepsHaveTheNamesOfTheirModules) {
  for (const Architecture& architecture : architectures) {
    const ResNet network = make_resnet(architecture, classes);
    const std::vector<std::string> names = step_names(architecture);
    const std::vector<Step> steps = lower(network);
    ASSERT_EQ(names.size(), steps.size());
    const NamedTensors state = network->state_dict();
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto entry = std::find_if(state.begin(), state.end(), [&](const auto& candidate) {
        return candidate.first == names[i] + ".weight";
      });
      ASSERT_EQ(entry == state.end(), steps[i].kind == Step::Kind::max_pool) << names[i];
      if (entry != state.end()) {
        EXPECT_EQ(entry->second.sizes(), steps[i].weight.sizes()) << names[i];
      }
    }
  }
}

/// A quantization that fits the network, of ranges seen on the input.
Quantization calibrated(const ResNet& network, const at::Tensor& input) {
  Calibrator calibrator(lower(network));
  calibrator.observe(input);
  Quantization quantization;
  quantization.output_scale = calibrator.output_scales(CalibrationMethod::min_max);
  quantization.method = "min-max";
  quantization.pictures = 4;
  quantization.accuracy = {0.875, 0.87, 0.99, 367};
  return quantization;
}

TEST(Quantization, TheReferenceIsCloseToTheNetwork) {
  at::manual_seed(1);
  Preprocessing preprocessing;
  preprocessing.mean = {0.2F, 0.5F, 0.7F};
  const at::Tensor mean = at::tensor({0.2F, 0.5F, 0.7F}).view({1, 3, 1, 1});
  const at::Tensor std = at::tensor(at::ArrayRef<float>(preprocessing.std)).view({1, 3, 1, 1});
  for (const Architecture& architecture : {small_basic(), small_bottleneck(), small_grouped()}) {
    const ResNet network = make_network(architecture, classes);
    const at::Tensor pixels = at::randint(256, {3, 3, 40, 56}, at::kByte);
    const at::Tensor input = (pixels.to(at::kFloat) / 255 - mean) / std;
    const auto reference = make_quantized_reference(network, calibrated(network, input), preprocessing);
    const at::Tensor truth = make_reference_executor(network)->run(input).logits;
    const at::Tensor logits = reference->run(pixels).logits;
    EXPECT_LE((logits - truth).abs().max().item<float>(), 0.05 * truth.abs().max().item<float>());
    EXPECT_TRUE(reference->run(input).logits.equal(logits));
  }
}

// Where Winograd's transform rounds a weight, a few values become their neighbours; none goes astray.
TEST(Quantization, TheExecutorAgreesWithTheReference) {
  std::string reason;
  if (!cpu_supports(Precision::int8, reason)) GTEST_SKIP() << reason;
  at::manual_seed(2);
  Preprocessing preprocessing;
  preprocessing.mean = {0.2F, 0.5F, 0.7F};
  for (const Architecture& architecture : {small_basic(), small_bottleneck(), small_grouped()}) {
    const ResNet network = make_network(architecture, classes);
    const Quantization quantization = calibrated(network, at::randn({4, 3, 64, 64}));
    ExecutorOptions options{.device = "cpu", .precision = Precision::int8};
    options.preprocessing = preprocessing;
    options.quantization = &quantization;
    const auto executor = make_executor(network, options);
    EXPECT_EQ(executor->description(), "cpu int8");
    const auto reference = make_quantized_reference(network, quantization, preprocessing);
    for (const auto& [height, width] : {std::pair{40, 56}, {64, 64}, {33, 7}}) {
      const at::Tensor pixels = at::randint(256, {3, 3, height, width}, at::kByte);
      const at::Tensor truth = reference->run(pixels).features;
      const at::Tensor error = (executor->run(pixels).features - truth).abs();
      const double one = quantization.output_scale.at(quantization.output_scale.size() - 2);
      EXPECT_LE(error.mean().item<double>(), 0.5 * one) << height << "×" << width;
      EXPECT_LE(error.max().item<double>(), 4 * one) << height << "×" << width;
    }
  }
}

TEST(Quantization, AutomaticTakesInt8WhereTheMachineHasIt) {
  const ResNet network = make_network(small_basic(), classes);
  const Quantization quantization = calibrated(network, at::randn({4, 3, 64, 64}));
  std::string reason;
  const bool there = cpu_supports(Precision::int8, reason);
  const auto executor = make_executor(network, {.device = "cpu", .quantization = &quantization});
  EXPECT_EQ(executor->precision() == Precision::int8, there) << reason;
}

class QuantizedFile : public CheckpointTest {
 protected:
  QuantizedFile() {
    info_.classes = {"a", "b", "c", "d", "e"};
    info_.quantization = calibrated(network_, at::randn({1, 3, 32, 32}));
    save_model(path_, network_, info_);
  }

  /// The good file's tensors and description, changed; its digest left out.
  void expect_error(const std::function<void(Checkpoint&)>& change, ErrorCode code,
                    const std::string& message) const {
    Checkpoint checkpoint = read_checkpoint(path_);
    checkpoint.info.erase("digest");
    change(checkpoint);
    const auto bad = folder_ / "bad.safetensors";
    write_checkpoint(bad, checkpoint.tensors, checkpoint.info);
    try {
      load_model(bad);
      ADD_FAILURE() << "no error: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_EQ(error.what(), "'" + bad.string() + "'" + message);
    }
  }
  void expect_error(const std::string& name, const at::Tensor& value, ErrorCode code,
                    const std::string& message) const {
    expect_error([&](Checkpoint& checkpoint) { tensor(checkpoint, name) = value; }, code,
                 ": tensor '" + name + "' " + message);
  }
  static at::Tensor& tensor(Checkpoint& checkpoint, const std::string& name) {
    for (auto& entry : checkpoint.tensors) {
      if (entry.first == name) return entry.second;
    }
    throw std::out_of_range(name);
  }

  const ResNet network_ = make_network(small_basic(), classes);
  ModelInfo info_;
  const std::filesystem::path path_ = folder_ / "int8.safetensors";
};

TEST_F(QuantizedFile, LoadsAsANetworkOfTheDequantizedWeights) {
  for (const Architecture& architecture : architectures) {
    const ResNet network = make_network(architecture, classes);
    info_.quantization =
        Quantization{std::vector<float>(step_names(architecture).size(), 0.5F), "mse", 1, {}};
    for (std::size_t i : {std::size_t{1}, info_.quantization->output_scale.size() - 1})
      info_.quantization->output_scale[i] = 0;
    save_model(path_, network, info_);
    const Model model = load_model(path_);
    EXPECT_EQ(model.warnings, std::vector<std::string>{});
    const std::vector<Step> before = lower(network), after = lower(model.network);
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (!before[i].weight.defined()) continue;
      EXPECT_TRUE(after[i].bias.equal(before[i].bias)) << i;
      const bool kept = i == 0 || i + 1 == before.size();
      const QuantizedWeights weights = kept ? QuantizedWeights{} : quantize_weights(before[i].weight);
      const at::Tensor expected = kept ? before[i].weight : weights.values * by_channel(weights.scale);
      EXPECT_TRUE(after[i].weight.equal(expected)) << i;
    }
  }
}

TEST_F(QuantizedFile, DescribesItselfAndSurvivesConversion) {
  const Model model = load_model(path_);
  ASSERT_TRUE(model.info.quantization);
  EXPECT_EQ(model.info.quantization->output_scale, info_.quantization->output_scale);
  EXPECT_EQ(model.info.quantization->method, "min-max");
  EXPECT_EQ(model.info.quantization->pictures, 4);
  ASSERT_TRUE(model.info.quantization->accuracy);
  EXPECT_EQ(model.info.quantization->accuracy->fp32, 0.875);
  EXPECT_EQ(model.info.quantization->accuracy->int8, 0.87);
  EXPECT_EQ(model.info.quantization->accuracy->agreement, 0.99);
  EXPECT_EQ(model.info.quantization->accuracy->pictures, 367);
  EXPECT_EQ(model.info.classes, info_.classes);
  save_model(folder_ / "again.safetensors", model.network, model.info);
  EXPECT_EQ(read_text(folder_ / "again.safetensors"), read_text(path_));
  save_model(folder_ / "other.pth", model.network, model.info);
  EXPECT_EQ(load_model(folder_ / "other.pth").info.digest, model.info.digest);
}

TEST_F(QuantizedFile, HoldsInt8WeightsUnderTorchvisionsNames) {
  const Checkpoint checkpoint = read_checkpoint(path_);
  for (const auto& [name, value] : checkpoint.tensors) {
    const bool quantized = name.ends_with("conv1.weight") && name != "conv1.weight";
    if (quantized) {
      EXPECT_EQ(value.scalar_type(), at::kChar) << name;
    }
  }
  EXPECT_EQ(checkpoint.find("conv1.weight")->scalar_type(), at::kFloat);
  EXPECT_EQ(checkpoint.find("layer2.0.downsample.0.weight")->scalar_type(), at::kChar);
  EXPECT_EQ(checkpoint.find("layer2.0.downsample.0.weight_scale")->sizes(), (at::IntArrayRef{32}));
  EXPECT_EQ(checkpoint.find("layer2.0.downsample.0.bias")->scalar_type(), at::kFloat);
  EXPECT_TRUE(checkpoint.find("fc.weight")->equal(network_->fc->weight));
  EXPECT_EQ(checkpoint.find("bn1.weight"), nullptr);
}

TEST_F(QuantizedFile, IsNothingToTrainFrom) {
  try {
    infer_architecture(read_checkpoint(path_));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(),
              "'" + path_.string() + "' is a quantized model; give the one that it was made of");
  }
}

TEST_F(QuantizedFile, BadTensorsAreNamed) {
  const std::string weight = "layer2.0.conv2.weight", scale = weight + "_scale", bias = "layer2.0.conv2.bias";
  const auto without = [&](const std::string& name, const std::string& needed) {
    expect_error(
        [&](Checkpoint& checkpoint) {
          std::erase_if(checkpoint.tensors, [&](const auto& entry) { return entry.first == name; });
        },
        ErrorCode::mismatch,
        " has no tensor '" + name + "'; its network is quantized and needs one, " + needed);
  };
  without(scale, "float32 of shape [32]");
  without(bias, "float32 of shape [32]");
  without(weight, "int8 of shape [32, 32, 3, 3]");
  without("conv1.bias", "float32 of shape [16]");
  expect_error(weight, at::ones({32, 32, 3, 3}), ErrorCode::format,
               "holds float32 values; int8 values are needed");
  expect_error(weight, at::ones({32, 32, 1, 1}, at::kChar), ErrorCode::mismatch,
               "has shape [32, 32, 1, 1]; [32, 32, 3, 3] is needed");
  expect_error(scale, at::ones({32}, at::kHalf), ErrorCode::format,
               "holds float16 values; float32 values are needed");
  expect_error(scale, at::ones({31}), ErrorCode::mismatch, "has shape [31]; [32] is needed");
  expect_error(scale, at::ones({}), ErrorCode::mismatch, "has shape []; [32] is needed");
  for (const double value : {0.0, -1.0, std::nan(""), HUGE_VAL, 1e-40, 1.1e9}) {
    at::Tensor scales = at::ones({32});
    scales[7] = value;
    expect_error(scale, scales, ErrorCode::format, "holds a scale that is not from 1e-30 to 1e9");
  }
  for (const double value : {std::nan(""), HUGE_VAL, -1.1e9}) {
    at::Tensor biases = at::ones({32});
    biases[7] = value;
    expect_error(bias, biases, ErrorCode::format, "holds a value that is not from -1e9 to 1e9");
  }
  expect_error("conv1.weight", at::full({16, 3, 7, 7}, 1e13), ErrorCode::format,
               "holds values that are too large for 8 bits with the \"std\" of the file's description");
  // Both would be quantized to other integers: one exceeds the range, the other leaves a part of it unused.
  for (const int value : {-128, 100}) {
    at::Tensor values = at::full({32, 32, 3, 3}, 127, at::kChar);
    values[7].fill_(value);
    expect_error(weight, values, ErrorCode::format,
                 "has an output channel whose largest value is not 127 or -127, which scales are chosen for");
  }
  expect_error("conv1.weight", at::ones({16, 3, 7, 7}, at::kChar), ErrorCode::format,
               "holds int8 values; floating-point numbers are needed");
}

// What a file may state at most, whichever way it is combined.
TEST_F(QuantizedFile, ScalesAtTheirLimitsGiveTheSameAsTheReference) {
  std::string reason;
  if (!cpu_supports(Precision::int8, reason)) GTEST_SKIP() << reason;
  Checkpoint checkpoint = read_checkpoint(path_);
  checkpoint.info.erase("digest");
  for (const unsigned choice : {0U, 1U, 2U, 3U}) {
    unsigned number = choice;
    for (auto& [name, value] : checkpoint.tensors) {
      if (name.ends_with("_scale")) value.fill_(choice < 2 ? 1e9 : 1e-30);
      if (name.ends_with(".bias") && name != "fc.bias") value.fill_(++number % 2 == 0 ? 1e9 : -1e9);
    }
    for (auto& scale : checkpoint.info["quantization"]["output_scales"]) {
      if (scale != 0) scale = ++number % 2 == 0 ? 1e9 : 1e-9;
    }
    const auto path = folder_ / "limits.safetensors";
    write_checkpoint(path, checkpoint.tensors, checkpoint.info);
    const Model model = load_model(path);
    const auto executor =
        make_executor(model.network, with_model({.device = "cpu", .precision = Precision::int8}, model.info));
    const at::Tensor pixels = at::randint(256, {2, 3, 64, 64}, at::kByte);
    const at::Tensor truth =
        make_quantized_reference(model.network, *model.info.quantization, model.info.preprocessing)
            ->run(pixels)
            .features;
    const at::Tensor features = executor->run(pixels).features;
    EXPECT_TRUE(at::allclose(features, truth, 0.02, 0)) << choice << "\n" << features - truth;
  }
}

TEST_F(QuantizedFile, WhatWouldNotBeReadAgainIsNotWritten) {
  const at::NoGradGuard no_grad;
  const std::string before = read_text(path_);
  const ResNet network = make_network(small_basic(), classes);
  for (const auto& [name, value] : network->state_dict()) {
    if (name == "layer1.0.bn2.bias") value.fill_(2e9);
  }
  try {
    save_model(path_, network, info_);
    ADD_FAILURE() << "it was written";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), "'" + path_.string() +
                                "': tensor 'layer1.0.conv2.bias' holds a value that is not from -1e9 to 1e9");
  }
  EXPECT_EQ(read_text(path_), before);
}

TEST_F(QuantizedFile, ADescriptionThatDoesNotFitIsAnError) {
  const auto scales = [](Checkpoint& checkpoint) -> nlohmann::json& {
    return checkpoint.info["quantization"]["output_scales"];
  };
  const std::string network =
      "its network, ResNet (BasicBlock 1-1-2-1, width 16), has 16 steps, each of which needs one";
  expect_error([](Checkpoint& checkpoint) { checkpoint.info.erase("quantization"); }, ErrorCode::mismatch,
               " has quantized weights; its description lacks the \"quantization\" that belongs to them");
  expect_error([&](Checkpoint& checkpoint) { scales(checkpoint).erase(3); }, ErrorCode::mismatch,
               " states 15 output scales of a quantization; " + network);
  for (const double scale : {0.0, 0.9e-9, 1.1e9}) {
    expect_error([&](Checkpoint& checkpoint) { scales(checkpoint)[3] = scale; }, ErrorCode::format,
                 ": the quantization's output scale 3 ('layer1.0.conv2') must be from 1e-9 to 1e9");
  }
  expect_error([&](Checkpoint& checkpoint) { scales(checkpoint)[1] = 0.5; }, ErrorCode::format,
               ": the quantization's output scale 1 (the pool) must be 0, as it is no convolution's");
  // The tensors of a plain file under such a description.
  expect_error([&](Checkpoint& checkpoint) { checkpoint.tensors = network_->state_dict(); },
               ErrorCode::mismatch,
               " has no tensor 'conv1.bias'; its network is quantized and needs one, float32 of shape [16]");
}

}  // namespace
}  // namespace resnet::testing
