// The steps of a network by themselves, by each set of kernels that the CPU has. The int8 ones' sums are
// whole numbers, so what they give is known exactly.
#include <cstring>

#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "emulated_blocks.h"
#include "model/cpu/block_convolution.h"
#include "model/cpu/stem.h"
#include "model/cpu/strassen.h"
#include "model/cpu/winograd.h"
#include "model/quantization.h"
#include "tests/model/small_network.h"

namespace resnet::cpu {
namespace {

const Parallel one_by_one = [](int count, const std::function<void(int)>& work) {
  for (int i = 0; i < count; ++i) work(i);
};
Memory memory;
const Packing packing{one_by_one, memory};

template <typename Number>
double number_in(const std::byte* line, int index) {
  Number number;
  std::memcpy(&number, line + index * static_cast<int>(sizeof number), sizeof number);
  return static_cast<double>(number);
}

template <typename Number>
void put_number(std::byte* line, int index, double value) {
  const auto number = static_cast<Number>(static_cast<float>(value));
  std::memcpy(line + index * static_cast<int>(sizeof number), &number, sizeof number);
}

/// Activations with memory of their own.
struct Held {
  Bytes bytes;
  Activations activations;

  explicit Held(const Activations& shape)
      : bytes(allocate(shape.bytes() + overrun_bytes)), activations(shape) {
    activations.data = bytes.get();
    std::memset(bytes.get(), 0, shape.bytes());
    std::memset(bytes.get() + shape.bytes(), 0x5A, overrun_bytes);
  }

  double at(int n, int c, int y, int x) const {
    const Activations& a = activations;
    const int together = terms(a.format), channels = line_channels(a.format) * together;
    const auto line = [&](int term) { return a.pixel(n, c / channels * together + term, y, x); };
    if (a.format == Format::fp32) return number_in<float>(line(0), c % channels);
    if (a.format == Format::u8) return number_in<std::uint8_t>(line(0), c % channels);
    double sum = 0;
    for (int term = 0; term < together; ++term) sum += number_in<c10::BFloat16>(line(term), c % channels);
    return sum;
  }
  void put(int n, int c, int y, int x, double value) {
    const Activations& a = activations;
    const int together = terms(a.format), channels = line_channels(a.format) * together;
    const auto line = [&](int term) { return a.pixel(n, c / channels * together + term, y, x); };
    if (a.format == Format::fp32) return put_number<float>(line(0), c % channels, value);
    if (a.format == Format::u8) return put_number<std::uint8_t>(line(0), c % channels, value);
    for (int term = 0; term < together; ++term) {
      put_number<c10::BFloat16>(line(term), c % channels, value);
      value -= number_in<c10::BFloat16>(line(term), c % channels);
    }
  }
  template <typename Do>
  void for_each(const at::Tensor& values, const Do& what) const {
    auto* value = values.mutable_data_ptr<double>();
    for (int n = 0; n < activations.pictures; ++n)
      for (int c = 0; c < activations.channels; ++c)
        for (int y = 0; y < activations.height; ++y)
          for (int x = 0; x < activations.width; ++x) what(n, c, y, x, *value++);
  }
  void set(const at::Tensor& values) {
    for_each(values, [this](int n, int c, int y, int x, double value) { put(n, c, y, x, value); });
  }
  at::Tensor get() const {
    const Activations& a = activations;
    at::Tensor values = at::empty({a.pictures, a.channels, a.height, a.width}, at::kDouble);
    for_each(values, [this](int n, int c, int y, int x, double& value) { value = at(n, c, y, x); });
    return values;
  }
  // Whatever was there.
  void spoil() { std::memset(bytes.get(), 0x5A, activations.bytes() + overrun_bytes); }
  bool zeros_around() {
    const Activations& a = activations;
    constexpr std::array<std::byte, line_bytes> zeros{};
    for (int n = 0; n < a.pictures; ++n)
      for (int line = 0; line < a.lines(); ++line)
        for (int y = -a.margin; y < a.height + a.margin; ++y)
          for (int x = -1; x <= a.width; ++x) {
            const bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
            if (!inside && std::memcmp(a.pixel(n, line, y, x), zeros.data(), line_bytes) != 0) return false;
          }
    return true;
  }
};

using MakeKernels = const Kernels* (*)();

std::unique_ptr<Operation> make_convolution(const Kernels& kernels, const Step& step,
                                            const ConvolutionQuantizers& quantizers) {
  if (kernels.blocks != nullptr)
    return std::make_unique<BlockConvolution>(kernels, step, quantizers, packing);
  return std::make_unique<Convolution>(kernels, step, quantizers, packing);
}

/// Of a network of each kind of block, but for their stems.
std::vector<Step> convolutions() {
  std::vector<Step> steps = lower(make_network({BlockType::bottleneck, {1, 1, 1, 1}, 24, 4, 32}, 3));
  const std::vector<Step> basic = lower(make_network(small_basic(), 3));
  steps.insert(steps.end(), basic.begin(), basic.end());
  std::erase_if(steps, [](const Step& step) {
    const bool convolution = step.kind == Step::Kind::convolution || step.kind == Step::Kind::convolution_add;
    return !convolution || step.weight.size(2) == 7;
  });
  return steps;
}

/// What an operation makes of such values and residuals, in units for three threads.
at::Tensor result_of(const Kernels& kernels, const Operation& operation, const at::Tensor& values,
                     const at::Tensor& residual) {
  const auto size = [&](int dimension) { return static_cast<int>(values.size(dimension)); };
  Held input({nullptr, kernels.format, size(0), size(1), size(2), size(3), margin_of(kernels)});
  input.set(values);
  Call call;
  call.input = input.activations;
  Held output(operation.output_of(call.input));
  output.spoil();
  call.output = output.activations;
  if (residual.defined()) {
    output.set(residual);
    call.residual = call.output.data;
  }
  operation.split(call, 3);
  const Bytes scratch = allocate(operation.scratch_bytes(call));
  std::memset(scratch.get(), 0x5A, operation.scratch_bytes(call));
  for (int unit = 0; unit < call.units(); ++unit) operation.run(call, unit, scratch.get());
  EXPECT_TRUE(output.zeros_around());
  return output.get();
}

/// What a stem makes of pictures of bytes, in units for three threads.
at::Tensor pooled(const Stem& stem, const at::Tensor& pictures) {
  const at::Tensor bytes = pictures.contiguous(at::MemoryFormat::ChannelsLast);
  const auto size = [&](int dimension) { return static_cast<int>(bytes.size(dimension)); };
  const Pixels pixels{bytes.const_data_ptr<std::uint8_t>(), nullptr, size(0), size(2), size(3)};
  Held output(stem.output_of(pixels));
  output.spoil();
  const int units = stem.units(pixels, 3);
  const Bytes scratch = allocate(stem.scratch_bytes(pixels, units));
  for (int unit = 0; unit < units; ++unit) stem.run(pixels, output.activations, unit, units, scratch.get());
  EXPECT_TRUE(output.zeros_around());
  return output.get();
}

at::Tensor by_channel(const at::Tensor& values) { return values.to(at::kDouble).view({1, -1, 1, 1}); }

class Int8 : public testing::TestWithParam<MakeKernels> {
 protected:
  void SetUp() override {
    kernels_ = GetParam()();
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU lacks the instructions";
    at::manual_seed(2);
    steps_ = lower(make_network({BlockType::bottleneck, {1, 1, 1, 1}, 24, 4, 32}, 3));
    const std::vector<Step> basic = lower(make_network(small_basic(), 3));
    steps_.insert(steps_.end(), basic.begin() + 2, basic.end());
  }

  /// What the step makes of random input and residuals, and what it should.
  std::pair<at::Tensor, at::Tensor> run(const Step& step, int height, int width, bool transformed = false) {
    const ConvolutionQuantizers quantizers{{0.01F, 0}, {0.05F, step.relu ? 0.0F : 128.0F}, {0.02F, 0}};
    const std::unique_ptr<Operation> operation =
        transformed ? std::make_unique<Winograd>(*kernels_, kernels_->winograd4, step, quantizers, packing)
                    : make_convolution(*kernels_, step, quantizers);
    const std::int64_t channels = step.weight.size(1) * step.groups;
    const at::Tensor values = at::randint(256, {2, channels, height, width}, at::kDouble);
    at::Tensor residual;
    if (step.kind == Step::Kind::convolution_add)
      residual = at::randint(256, {2, step.weight.size(0), height, width}, at::kDouble);
    const at::Tensor result = result_of(*kernels_, *operation, values, residual);

    const QuantizedWeights weights = quantize_weights(step.weight);
    at::Tensor real =
        at::conv2d(values, weights.values.to(at::kDouble), {}, step.stride, step.padding, 1, step.groups);
    real = real * by_channel(weights.scale) * double{quantizers.input.scale} + by_channel(step.bias);
    if (residual.defined()) real += residual * double{quantizers.residual.scale};
    const at::Tensor whole =
        (real / double{quantizers.output.scale}).round() + double{quantizers.output.zero};
    return {result, whole.clamp(0, 255)};
  }

  const Kernels* kernels_ = nullptr;
  std::vector<Step> steps_;
};

TEST_P(Int8, ConvolutionsAreExact) {
  for (const Step& step : steps_) {
    if (step.kind != Step::Kind::convolution && step.kind != Step::Kind::convolution_add) continue;
    if (step.weight.size(2) == 7) continue;
    for (const auto& [height, width] : {std::pair{10, 14}, {1, 1}, {7, 7}, {3, 33}}) {
      const auto [result, expected] = run(step, height, width);
      // But for a value that lies on the border between two, where fp32 falls to one side.
      const at::Tensor error = (result - expected).abs();
      EXPECT_LE(error.max().item<double>(), 1) << step.weight.sizes() << " " << height << "×" << width;
      EXPECT_LE(error.sum().item<double>(), 1 + 0.001 * static_cast<double>(error.numel()))
          << step.weight.sizes() << " " << height << "×" << width;
    }
  }
}

class Int8Winograd : public Int8 {};

TEST_P(Int8Winograd, IsOffByOneAtMost) {
  for (const Step& step : steps_) {
    if (!Winograd::fits(kernels_->winograd4, step)) continue;
    for (const auto& [height, width] : {std::pair{20, 28}, {1, 1}, {7, 7}, {3, 33}}) {
      const auto [result, expected] = run(step, height, width, true);
      const at::Tensor error = (result - expected).abs();
      EXPECT_LE(error.max().item<double>(), 1) << height << "×" << width;
      EXPECT_LE(error.mean().item<double>(), 0.03) << height << "×" << width;
    }
  }
}

// Pixels of 255 under weights of one sign: the largest sums that there are.
TEST_P(Int8, NoSumOverflows) {
  for (const float sign : {1.0F, -1.0F}) {
    Step step;
    step.weight = at::full({64, 256, 3, 3}, sign);
    step.bias = at::zeros({64});
    step.padding = 1;
    const ConvolutionQuantizers quantizers{{1.0F, 0}, {256 * 9 * 255 / 100.0F, 128.0F}, {}};
    const at::Tensor white = at::full({1, 256, 6, 6}, 255, at::kDouble);
    const auto expect = [&](const Operation& operation) {
      const at::Tensor result = result_of(*kernels_, operation, white, {});
      EXPECT_EQ(result[0][63][3][3].item<double>(), sign > 0 ? 228 : 28);
    };
    expect(*make_convolution(*kernels_, step, quantizers));
    if (kernels_->blocks == nullptr)
      expect(Winograd(*kernels_, kernels_->winograd4, step, quantizers, packing));
  }
}

TEST_P(Int8, TheStemIsExactUpToTheBorders) {
  Preprocessing preprocessing;
  preprocessing.mean = {0.1F, 0.5F, 0.9F};
  const Quantizer quantizer{0.03F, 0};
  const Stem stem(*kernels_, steps_[0], preprocessing, quantizer, memory);
  const QuantizedWeights weights = quantize_weights(fold_pixels(steps_[0].weight, preprocessing));
  const at::Tensor mean = by_channel(at::tensor(at::ArrayRef<float>(preprocessing.mean))) * 255;
  for (const auto& [height, width] : {std::pair{40, 56}, {1, 1}, {7, 9}, {3, 33}}) {
    const at::Tensor picture = at::randint(256, {2, 3, height, width}, at::kByte);
    at::Tensor real = at::conv2d(picture.to(at::kDouble) - mean, weights.values.to(at::kDouble), {}, 2, 3);
    real = real * by_channel(weights.scale) + by_channel(steps_[0].bias);
    const at::Tensor whole = (real / double{quantizer.scale}).round().clamp(0, 255);
    EXPECT_TRUE(pooled(stem, picture).equal(at::max_pool2d(whole, 3, 2, 1))) << height << "×" << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Int8,
                         testing::Values(avx512_vnni_kernels, avx_vnni_kernels, amx_int8_kernels,
                                         emulated_int8_kernels));
INSTANTIATE_TEST_SUITE_P(Cpu, Int8Winograd, testing::Values(avx512_vnni_kernels, avx_vnni_kernels));

class Bf16 : public testing::TestWithParam<MakeKernels> {};

at::Tensor rounded(const at::Tensor& values) { return values.to(at::kBFloat16).to(at::kDouble); }

TEST_P(Bf16, ConvolutionsEqualLibTorch) {
  const Kernels* kernels = GetParam()();
  if (kernels == nullptr) GTEST_SKIP() << "this CPU lacks the instructions";
  at::manual_seed(5);
  for (const Step& step : convolutions()) {
    const auto operation = make_convolution(*kernels, step, {});
    for (const auto& [height, width] : {std::pair{10, 14}, {1, 1}, {7, 7}, {3, 33}}) {
      const std::int64_t channels = step.weight.size(1) * step.groups;
      const at::Tensor values = rounded(at::randn({2, channels, height, width}));
      at::Tensor expected = at::conv2d(values, rounded(step.weight), step.bias.to(at::kDouble), step.stride,
                                       step.padding, 1, step.groups);
      at::Tensor residual;
      if (step.kind == Step::Kind::convolution_add) {
        residual = rounded(at::randn(expected.sizes()));
        expected += residual;
      }
      if (step.relu) expected = expected.relu();
      const at::Tensor result = result_of(*kernels, *operation, values, residual);
      // Half a step of bf16, whose numbers have 8 bits, and what fp32 sums lose.
      const at::Tensor error = (result - expected).abs() - expected.abs() / 256;
      EXPECT_LE(error.max().item<double>(), 1e-5) << step.weight.sizes() << " " << height << "×" << width;
    }
  }
}

TEST_P(Bf16, TheStemEqualsLibTorch) {
  const Kernels* kernels = GetParam()();
  if (kernels == nullptr) GTEST_SKIP() << "this CPU lacks the instructions";
  at::manual_seed(4);
  const Step step = lower(make_network(small_basic(), 3)).front();
  const Preprocessing preprocessing;
  const Stem stem(*kernels, step, preprocessing, {}, memory);
  const at::Tensor weight = rounded(fold_pixels(step.weight, preprocessing));
  const at::Tensor mean = by_channel(at::tensor(at::ArrayRef<float>(preprocessing.mean))) * 255;
  for (const auto& [height, width] : {std::pair{40, 56}, {1, 1}, {7, 9}, {3, 133}}) {
    const at::Tensor picture = at::randint(256, {2, 3, height, width}, at::kByte);
    const at::Tensor sums =
        at::conv2d(picture.to(at::kDouble) - mean, weight, step.bias.to(at::kDouble), 2, 3);
    const at::Tensor expected = at::max_pool2d(sums.relu(), 3, 2, 1);
    const at::Tensor error = (pooled(stem, picture) - expected).abs() - expected.abs() / 256;
    EXPECT_LE(error.max().item<double>(), 1e-4) << height << "×" << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Bf16,
                         testing::Values(avx512_bf16_kernels, amx_bf16_kernels, emulated_bf16_kernels));

// A machine's executor takes the widest registers that there are; these are all.
class Fp32 : public testing::TestWithParam<MakeKernels> {
 protected:
  void expect_equal(const Kernels& kernels, const Operation& operation, const Step& step, int height,
                    int width) {
    const std::int64_t channels = step.weight.size(1) * step.groups;
    const at::Tensor values = at::randn({2, channels, height, width}, at::kFloat).to(at::kDouble);
    at::Tensor expected = at::conv2d(values, step.weight.to(at::kDouble), step.bias.to(at::kDouble),
                                     step.stride, step.padding, 1, step.groups);
    at::Tensor residual;
    if (step.kind == Step::Kind::convolution_add) {
      residual = at::randn(expected.sizes(), at::kFloat).to(at::kDouble);
      expected += residual;
    }
    if (step.relu) expected = expected.relu();
    EXPECT_LE((result_of(kernels, operation, values, residual) - expected).abs().max().item<double>(), 1e-4)
        << step.weight.sizes() << " " << height << "×" << width;
  }
};

TEST_P(Fp32, EqualsLibTorch) {
  const Kernels* kernels = GetParam()();
  if (kernels == nullptr) GTEST_SKIP() << "this CPU lacks the instructions";
  at::manual_seed(3);
  for (const Step& step : convolutions()) {
    for (const auto& [height, width] : {std::pair{10, 14}, {1, 1}, {7, 7}, {3, 33}}) {
      expect_equal(*kernels, *make_convolution(*kernels, step, {}), step, height, width);
      for (const WinogradTransform* transform :
           {&kernels->winograd4, &kernels->winograd2, &kernels->winograd2_strided}) {
        if (Winograd::fits(*transform, step))
          expect_equal(*kernels, Winograd(*kernels, *transform, step, {}, packing), step, height, width);
      }
      if (Strassen::fits(*kernels, step))
        expect_equal(*kernels, Strassen(*kernels, step, packing), step, height, width);
    }
  }
}

TEST_P(Fp32, TheStemEqualsLibTorch) {
  const Kernels* kernels = GetParam()();
  if (kernels == nullptr) GTEST_SKIP() << "this CPU lacks the instructions";
  at::manual_seed(4);
  const Step step = lower(make_network(small_basic(), 3)).front();
  const Preprocessing preprocessing;
  const Stem stem(*kernels, step, preprocessing, {}, memory);
  for (const auto& [height, width] : {std::pair{40, 56}, {1, 1}, {7, 9}}) {
    const at::Tensor picture = at::randint(256, {2, 3, height, width}, at::kByte);
    const at::Tensor mean = by_channel(at::tensor(at::ArrayRef<float>(preprocessing.mean))) * 255;
    const at::Tensor std = by_channel(at::tensor(at::ArrayRef<float>(preprocessing.std))) * 255;
    const at::Tensor sums = at::conv2d((picture.to(at::kDouble) - mean) / std, step.weight.to(at::kDouble),
                                       step.bias.to(at::kDouble), 2, 3);
    const at::Tensor expected = at::max_pool2d(sums.relu(), 3, 2, 1);
    EXPECT_LE((pooled(stem, picture) - expected).abs().max().item<double>(), 1e-4) << height << "×" << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Fp32,
                         testing::Values(avx2_kernels, avx512_kernels, amx_pair_kernels,
                                         emulated_pair_kernels));

}  // namespace
}  // namespace resnet::cpu
