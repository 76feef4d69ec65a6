// The int8 steps of a network by themselves: their sums are whole numbers, so what they give is known
// exactly.
#include <cstring>

#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/cpu/executor_cpu.h"
#include "model/cpu/stem.h"
#include "model/cpu/winograd.h"
#include "model/quantization.h"
#include "small_network.h"

namespace resnet::cpu {
namespace {

const Parallel one_by_one = [](int count, const std::function<void(int)>& work) {
  for (int i = 0; i < count; ++i) work(i);
};

/// Activations with memory of their own, of bytes or of floats.
template <typename Number>
struct Held {
  Bytes bytes;
  Activations activations;

  explicit Held(const Activations& shape) : bytes(allocate(shape.bytes())), activations(shape) {
    activations.data = bytes.get();
    std::memset(bytes.get(), 0, shape.bytes());
  }

  Number& at(int n, int c, int y, int x) {
    constexpr int line = static_cast<int>(line_bytes / sizeof(Number));
    return reinterpret_cast<Number*>(activations.pixel(n, c / line, y, x))[c % line];
  }
  template <typename Do>
  void for_each(const at::Tensor& values, const Do& what) {
    auto* value = values.mutable_data_ptr<double>();
    for (int n = 0; n < activations.pictures; ++n)
      for (int c = 0; c < activations.channels; ++c)
        for (int y = 0; y < activations.height; ++y)
          for (int x = 0; x < activations.width; ++x) what(at(n, c, y, x), *value++);
  }
  void set(const at::Tensor& values) {
    for_each(values, [](Number& number, double value) { number = static_cast<Number>(value); });
  }
  at::Tensor get() {
    const Activations& a = activations;
    at::Tensor values = at::empty({a.pictures, a.channels, a.height, a.width}, at::kDouble);
    for_each(values, [](Number number, double& value) { value = number; });
    return values;
  }
};

at::Tensor by_channel(const at::Tensor& values) { return values.to(at::kDouble).view({1, -1, 1, 1}); }

class Int8 : public testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    if (!cpu_supports(Precision::int8, reason)) GTEST_SKIP() << reason;
    at::manual_seed(2);
    steps_ = lower(make_network({BlockType::bottleneck, {1, 1, 1, 1}, 24, 4, 32}, 3));
    const std::vector<Step> basic = lower(make_network(small_basic(), 3));
    steps_.insert(steps_.end(), basic.begin() + 2, basic.end());
  }

  /// What the step makes of random input and residuals, and what it should.
  template <typename Kind>
  std::pair<at::Tensor, at::Tensor> run(const Step& step, int height, int width) {
    const ConvolutionQuantizers quantizers{{0.01F, 0}, {0.05F, step.relu ? 0.0F : 128.0F}, {0.02F, 0}};
    const Kind operation(*avx512_vnni_kernels(), step, quantizers, one_by_one);
    const int channels = static_cast<int>(step.weight.size(1)) * step.groups;
    Held<std::uint8_t> input({nullptr, Format::u8, 2, channels, height, width});
    const at::Tensor values = at::randint(256, {2, channels, height, width}, at::kDouble);
    input.set(values);
    Call call;
    call.input = input.activations;
    Held<std::uint8_t> output(operation.output_of(call.input));
    call.output = output.activations;
    const at::Tensor residual = at::randint(256, output.get().sizes(), at::kDouble);
    output.set(residual);
    if (step.kind == Step::Kind::convolution_add) call.residual = call.output.data;
    operation.split(call, 3);
    const Bytes scratch = allocate(operation.scratch_bytes(call));
    for (int unit = 0; unit < call.units(); ++unit) operation.run(call, unit, scratch.get());

    const QuantizedWeights weights = quantize_weights(step.weight);
    at::Tensor real =
        at::conv2d(values, weights.values.to(at::kDouble), {}, step.stride, step.padding, 1, step.groups);
    real = real * by_channel(weights.scale) * double{quantizers.input.scale} + by_channel(step.bias);
    if (step.kind == Step::Kind::convolution_add) real += residual * double{quantizers.residual.scale};
    const at::Tensor whole =
        (real / double{quantizers.output.scale}).round() + double{quantizers.output.zero};
    return {output.get(), whole.clamp(0, 255)};
  }

  std::vector<Step> steps_;
};

TEST_F(Int8, ConvolutionsAreExact) {
  for (const Step& step : steps_) {
    if (step.kind != Step::Kind::convolution && step.kind != Step::Kind::convolution_add) continue;
    if (step.weight.size(2) == 7) continue;
    for (const auto& [height, width] : {std::pair{10, 14}, {1, 1}, {7, 7}, {3, 33}}) {
      const auto [result, expected] = run<Convolution>(step, height, width);
      // But for a value that lies on the border between two, where fp32 falls to one side.
      const at::Tensor error = (result - expected).abs();
      EXPECT_LE(error.max().item<double>(), 1) << step.weight.sizes() << " " << height << "×" << width;
      EXPECT_LE(error.mean().item<double>(), 0.001) << step.weight.sizes() << " " << height << "×" << width;
    }
  }
}

TEST_F(Int8, WinogradIsOffByOneAtMost) {
  for (const Step& step : steps_) {
    if (!Winograd::fits(step)) continue;
    for (const auto& [height, width] : {std::pair{20, 28}, {1, 1}, {7, 7}, {3, 33}}) {
      const auto [result, expected] = run<Winograd>(step, height, width);
      const at::Tensor error = (result - expected).abs();
      EXPECT_LE(error.max().item<double>(), 1) << height << "×" << width;
      EXPECT_LE(error.mean().item<double>(), 0.03) << height << "×" << width;
    }
  }
}

// Pixels of 255 under weights of one sign: the largest sums that there are.
TEST_F(Int8, NoSumOverflows) {
  for (const float sign : {1.0F, -1.0F}) {
    Step step;
    step.weight = at::full({64, 256, 3, 3}, sign);
    step.bias = at::zeros({64});
    step.padding = 1;
    const ConvolutionQuantizers quantizers{{1.0F, 0}, {256 * 9 * 255 / 100.0F, 128.0F}, {}};
    for (const bool transformed : {false, true}) {
      std::unique_ptr<Operation> operation;
      if (transformed) {
        operation = std::make_unique<Winograd>(*avx512_vnni_kernels(), step, quantizers, one_by_one);
      } else {
        operation = std::make_unique<Convolution>(*avx512_vnni_kernels(), step, quantizers, one_by_one);
      }
      Held<std::uint8_t> input({nullptr, Format::u8, 1, 256, 6, 6});
      input.set(at::full({1, 256, 6, 6}, 255, at::kDouble));
      Call call;
      call.input = input.activations;
      Held<std::uint8_t> output(operation->output_of(call.input));
      call.output = output.activations;
      operation->split(call, 1);
      const Bytes scratch = allocate(operation->scratch_bytes(call));
      for (int unit = 0; unit < call.units(); ++unit) operation->run(call, unit, scratch.get());
      EXPECT_EQ(output.at(0, 63, 3, 3), sign > 0 ? 228 : 28) << transformed;
    }
  }
}

TEST_F(Int8, TheStemIsExactUpToTheBorders) {
  Preprocessing preprocessing;
  preprocessing.mean = {0.1F, 0.5F, 0.9F};
  const Quantizer quantizer{0.03F, 0};
  const Stem stem(*avx512_vnni_kernels(), steps_[0], preprocessing, quantizer);
  const QuantizedWeights weights = quantize_weights(fold_pixels(steps_[0].weight, preprocessing));
  const at::Tensor mean = by_channel(at::tensor(at::ArrayRef<float>(preprocessing.mean))) * 255;
  for (const auto& [height, width] : {std::pair{40, 56}, {1, 1}, {7, 9}, {3, 33}}) {
    const at::Tensor picture =
        at::randint(256, {2, 3, height, width}, at::kByte).contiguous(at::MemoryFormat::ChannelsLast);
    Pixels pixels;
    pixels.bytes = picture.const_data_ptr<std::uint8_t>();
    pixels.pictures = 2;
    pixels.height = height;
    pixels.width = width;
    Held<std::uint8_t> output(stem.output_of(pixels));
    const int units = stem.units(pixels, 3);
    const Bytes scratch = allocate(stem.scratch_bytes(pixels, units));
    for (int unit = 0; unit < units; ++unit) stem.run(pixels, output.activations, unit, units, scratch.get());
    at::Tensor real = at::conv2d(picture.to(at::kDouble) - mean, weights.values.to(at::kDouble), {}, 2, 3);
    real = real * by_channel(weights.scale) + by_channel(steps_[0].bias);
    const at::Tensor whole = (real / double{quantizer.scale}).round().clamp(0, 255);
    EXPECT_TRUE(output.get().equal(at::max_pool2d(whole, 3, 2, 1))) << height << "×" << width;
  }
}

// A machine's executor takes the widest registers that there are; these are all.
class Fp32 : public testing::TestWithParam<const Kernels* (*)()> {
 protected:
  template <typename Kind>
  void expect_equal(const Kernels& kernels, const Step& step, int height, int width) {
    const Kind operation(kernels, step, {}, one_by_one);
    const int channels = static_cast<int>(step.weight.size(1)) * step.groups;
    Held<float> input({nullptr, Format::fp32, 2, channels, height, width});
    const at::Tensor values = at::randn({2, channels, height, width}, at::kDouble);
    input.set(values);
    Call call;
    call.input = input.activations;
    Held<float> output(operation.output_of(call.input));
    call.output = output.activations;
    const at::Tensor residual = at::randn(output.get().sizes(), at::kDouble);
    output.set(residual);
    if (step.kind == Step::Kind::convolution_add) call.residual = call.output.data;
    operation.split(call, 3);
    const Bytes scratch = allocate(operation.scratch_bytes(call));
    for (int unit = 0; unit < call.units(); ++unit) operation.run(call, unit, scratch.get());
    at::Tensor expected = at::conv2d(values, step.weight.to(at::kDouble), step.bias.to(at::kDouble),
                                     step.stride, step.padding, 1, step.groups);
    if (step.kind == Step::Kind::convolution_add) expected += residual;
    if (step.relu) expected = expected.relu();
    EXPECT_LE((output.get() - expected).abs().max().item<double>(), 1e-4)
        << step.weight.sizes() << " " << height << "×" << width;
  }
};

TEST_P(Fp32, EqualsLibTorch) {
  const Kernels* kernels = GetParam()();
  if (kernels == nullptr) GTEST_SKIP() << "this CPU lacks the instructions";
  at::manual_seed(3);
  std::vector<Step> steps = lower(make_network({BlockType::bottleneck, {1, 1, 1, 1}, 24, 4, 32}, 3));
  const std::vector<Step> basic = lower(make_network(small_basic(), 3));
  steps.insert(steps.end(), basic.begin(), basic.end());
  for (const Step& step : steps) {
    if (step.kind != Step::Kind::convolution && step.kind != Step::Kind::convolution_add) continue;
    if (step.weight.size(2) == 7) continue;
    for (const auto& [height, width] : {std::pair{10, 14}, {1, 1}, {7, 7}, {3, 33}}) {
      expect_equal<Convolution>(*kernels, step, height, width);
      if (Winograd::fits(step)) expect_equal<Winograd>(*kernels, step, height, width);
    }
  }
}

TEST_P(Fp32, TheStemEqualsLibTorch) {
  const Kernels* kernels = GetParam()();
  if (kernels == nullptr) GTEST_SKIP() << "this CPU lacks the instructions";
  at::manual_seed(4);
  const Step step = lower(make_network(small_basic(), 3)).front();
  const Preprocessing preprocessing;
  const Stem stem(*kernels, step, preprocessing, {});
  for (const auto& [height, width] : {std::pair{40, 56}, {1, 1}, {7, 9}}) {
    const at::Tensor picture =
        at::randint(256, {2, 3, height, width}, at::kByte).contiguous(at::MemoryFormat::ChannelsLast);
    const Pixels pixels{picture.const_data_ptr<std::uint8_t>(), nullptr, 2, height, width};
    Held<float> output(stem.output_of(pixels));
    const int units = stem.units(pixels, 3);
    const Bytes scratch = allocate(stem.scratch_bytes(pixels, units));
    for (int unit = 0; unit < units; ++unit) stem.run(pixels, output.activations, unit, units, scratch.get());
    const at::Tensor mean = by_channel(at::tensor(at::ArrayRef<float>(preprocessing.mean))) * 255;
    const at::Tensor std = by_channel(at::tensor(at::ArrayRef<float>(preprocessing.std))) * 255;
    const at::Tensor sums = at::conv2d((picture.to(at::kDouble) - mean) / std, step.weight.to(at::kDouble),
                                       step.bias.to(at::kDouble), 2, 3);
    const at::Tensor expected = at::max_pool2d(sums.relu(), 3, 2, 1);
    EXPECT_LE((output.get() - expected).abs().max().item<double>(), 1e-4) << height << "×" << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Fp32, testing::Values(avx2_kernels, avx512_kernels));

}  // namespace
}  // namespace resnet::cpu
