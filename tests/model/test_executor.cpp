#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <iterator>
#include <thread>

#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/cpu/executor_cpu.h"
#include "model/error.h"
#include "model/executor.h"
#include "model/executor_input.h"
#include "model/resnet.h"
#include "tests/model/frames.h"
#include "tests/model/small_network.h"

namespace resnet {
namespace {

std::unique_ptr<Executor> make_cpu(const ResNet& network, Precision precision, int threads = 0) {
  return make_executor(network, {.device = "cpu", .precision = precision, .threads = threads});
}

/// Random pixels as make_input's batches hold them, with some that are black and some that are white.
at::Tensor random_pixels(int n, int height, int width) {
  return at::randint(-20, 276, {n, 3, height, width})
      .clamp(0, 255)
      .to(at::kByte)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

/// As the preprocessing that an executor folds into its weights would normalise them.
at::Tensor normalised(const at::Tensor& pixels, const Preprocessing& preprocessing = {}) {
  const auto channel = [](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}).view({1, 3, 1, 1});
  };
  return (pixels.to(at::kFloat) / 255 - channel(preprocessing.mean)) / channel(preprocessing.std);
}

/// max |a − b| over max(1, max |b|)
double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>() / std::max(1.0, b.abs().max().item<double>());
}

ErrorCode error_of(const ExecutorOptions& options, const std::string& expected) {
  const ResNet network = make_network(small_basic(), 3);
  try {
    make_executor(network, options);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::format;
}

class EveryBlock : public testing::TestWithParam<Architecture> {};

TEST_P(EveryBlock, Fp32EqualsTheModule) {
  at::manual_seed(1);
  const ResNet network = make_network(GetParam(), 7);
  const auto reference = make_reference_executor(network);
  const auto executor = make_cpu(network, Precision::fp32);
  EXPECT_EQ(executor->description(), "cpu fp32");
  for (const int n : {1, 3, 8, 1}) {
    at::Tensor input = executor->make_input(n, 64);
    ASSERT_EQ(input.sizes(), (at::IntArrayRef{n, 3, 64, 64}));
    const at::Tensor pixels = random_pixels(n, 64, 64);
    input.copy_(input.scalar_type() == at::kByte ? pixels : normalised(pixels));
    const at::Tensor before = input.clone();
    const NetworkOutput output = executor->run(input), truth = reference->run(normalised(pixels));
    ASSERT_EQ(output.logits.sizes(), (at::IntArrayRef{n, 7}));
    EXPECT_EQ(output.logits.scalar_type(), at::kFloat);
    EXPECT_TRUE(output.logits.is_contiguous());
    EXPECT_LE(difference(output.logits, truth.logits), 1e-4);
    EXPECT_LE(difference(output.features, truth.features), 1e-4);
    EXPECT_TRUE(input.equal(before)) << "the input was overwritten";
  }
}

// Borders, windows that reach beyond both sides, tiles that do not divide a row, rows of one pixel.
TEST_P(EveryBlock, EverySizeEqualsTheModule) {
  at::manual_seed(3);
  const ResNet network = make_network(GetParam(), 7);
  const auto reference = make_reference_executor(network);
  const auto executor = make_cpu(network, Precision::fp32);
  for (const auto& [height, width] :
       {std::pair{1, 1}, {2, 3}, {5, 4}, {7, 7}, {32, 31}, {33, 100}, {97, 61}, {160, 160}}) {
    const at::Tensor pixels = random_pixels(2, height, width);
    EXPECT_LE(difference(executor->run(pixels).logits, reference->run(normalised(pixels)).logits), 1e-4)
        << height << "×" << width;
  }
}

TEST_P(EveryBlock, Bf16IsClose) {
  at::manual_seed(2);
  const ResNet network = make_network(GetParam(), 7);
  std::string reason;
  if (!cpu_supports(Precision::bf16, reason)) GTEST_SKIP() << reason;
  const auto executor = make_cpu(network, Precision::bf16);
  EXPECT_EQ(executor->description(), "cpu bf16");
  const auto reference = make_reference_executor(network);
  for (const int n : {1, 3, 8}) {
    const at::Tensor pixels = random_pixels(n, 64, 64);
    const at::Tensor logits = executor->run(pixels).logits, truth = reference->run(normalised(pixels)).logits;
    EXPECT_LE(difference(logits, truth), 0.03);
    // The same class, wherever the truth is clearer than the error.
    for (int i = 0; i < n; ++i) {
      const auto best = truth[i].topk(2);
      if ((std::get<0>(best)[0] - std::get<0>(best)[1]).item<double>() < 0.1) continue;
      EXPECT_EQ(logits[i].argmax().item<int>(), std::get<1>(best)[0].item<int>());
    }
  }
}

// Whose pictures go through the first blocks in groups, the last of them smaller.
TEST_P(EveryBlock, ALargeBatchGivesWhatItsPicturesDo) {
  at::manual_seed(4);
  const ResNet network = make_network(GetParam(), 7);
  const auto executor = make_cpu(network, Precision::fp32);
  const at::Tensor pixels = random_pixels(23, 160, 160);
  const NetworkOutput all = executor->run(pixels);
  for (int i = 0; i < 23; ++i) {
    const NetworkOutput one = executor->run(pixels.narrow(0, i, 1));
    EXPECT_LE(difference(all.logits.narrow(0, i, 1), one.logits), 1e-5) << "picture " << i;
    EXPECT_LE(difference(all.features.narrow(0, i, 1), one.features), 1e-5) << "picture " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Executor, EveryBlock,
                         testing::Values(small_basic(), small_bottleneck(), small_grouped()));

TEST(Executor, PartOfABatchGivesTheSame) {
  const ResNet network = make_network(small_basic(), 5);
  const auto executor = make_cpu(network, Precision::fp32);
  const at::Tensor input = random_pixels(8, 32, 32);
  const at::Tensor all = executor->run(input).logits;
  EXPECT_LE(difference(executor->run(input.narrow(0, 0, 3)).logits, all.narrow(0, 0, 3)), 1e-5);
}

TEST(Executor, TheSameInputGivesTheSameBits) {
  const ResNet network = make_network(small_basic(), 5);
  const auto executor = make_cpu(network, Precision::fp32, 3);
  const at::Tensor input = random_pixels(5, 64, 64);
  const at::Tensor first = executor->run(input).logits;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(executor->run(input).logits.equal(first));
}

// Channels that no register and no line of the cache divides.
TEST(Executor, AnyWidthEqualsTheModule) {
  at::manual_seed(4);
  for (const int width : {1, 8, 24, 40, 96}) {
    const ResNet network = make_network({BlockType::basic, {1, 1, 1, 1}, width, 1, 64}, 70);
    const at::Tensor pixels = random_pixels(2, 40, 40);
    const at::Tensor expected = make_reference_executor(network)->run(normalised(pixels)).logits;
    EXPECT_LE(difference(make_cpu(network, Precision::fp32)->run(pixels).logits, expected), 1e-4) << width;
  }
}

TEST(Executor, MeanAndStdAreTheModels) {
  const ResNet network = make_network(small_basic(), 5);
  ExecutorOptions options{.device = "cpu", .precision = Precision::fp32};
  options.preprocessing.mean = {0.1F, 0.9F, 0.4F};
  options.preprocessing.std = {0.5F, 0.3F, 0.8F};
  const at::Tensor pixels = random_pixels(2, 48, 48);
  const at::Tensor expected =
      make_reference_executor(network)->run(normalised(pixels, options.preprocessing)).logits;
  EXPECT_LE(difference(make_executor(network, options)->run(pixels).logits, expected), 1e-4);
}

TEST(Executor, ABatchOfPicturesGivesWhatTheirInputGives) {
  const ResNet network = make_network(small_basic(), 5);
  const auto executor = make_cpu(network, Precision::fp32);
  Preprocessing preprocessing;
  preprocessing.resize_size = 40;
  preprocessing.crop_size = 32;
  at::Tensor input = executor->make_input(3, 32);
  const Preprocessor preprocessor = make_preprocessor(preprocessing, input);
  const auto put = [&](BatchInput& batch, std::size_t slot, PicturePart part = {}) {
    const Frame frame = make_frame(PixelFormat::NV12, 60 + static_cast<int>(slot), 50, slot + 1);
    Preprocessor own = preprocessor.another();
    if (part.index == 0)
      own.run(frame.image, static_cast<std::uint8_t*>(input.data_ptr()) + slot * slot_bytes(input));
    batch.put(slot, frame.image, own, part);
  };
  const auto before = executor->make_batch(4, 32), meanwhile = executor->make_batch(3, 32);
  EXPECT_EQ(before->capacity(), 4U);
  for (const std::size_t slot : {2U, 0U, 1U}) put(*before, slot);
  Preprocessor own = preprocessor.another();
  EXPECT_THROW(before->put(3, Image{}, own), Error);
  const NetworkOutput output = before->run(3, nullptr);
  EXPECT_LE(difference(output.logits, executor->run(input).logits), 1e-5);
  EXPECT_EQ(output.features.size(0), 3);
  EXPECT_TRUE(before->run(4, nullptr).logits.isfinite().all().item<bool>())
      << "a slot without a picture holds numbers";
  std::array<std::array<std::atomic<int>, 4>, 3> made{};
  std::atomic<std::size_t> parts{0};
  const NetworkOutput same = meanwhile->run(3, [&](std::size_t slot, PicturePart part) {
    put(*meanwhile, slot, part);
    ++made.at(slot).at(part.index);
    parts = part.count;
  });
  EXPECT_EQ(difference(same.logits, output.logits), 0);
  for (const auto& picture : made) {
    for (std::size_t part = 0; part < parts; ++part) EXPECT_EQ(picture.at(part), 1);
  }
}

TEST(Executor, TakesNormalisedInputOfAnyTypeAndLayout) {
  const ResNet network = make_network(small_basic(), 5);
  const auto executor = make_cpu(network, Precision::fp32);
  const at::Tensor input = at::randn({2, 3, 33, 47});
  const at::Tensor expected = make_reference_executor(network)->run(input).logits;
  EXPECT_LE(difference(executor->run(input).logits, expected), 1e-4);
  EXPECT_LE(difference(executor->run(input.to(at::kDouble)).logits, expected), 1e-4);
}

TEST(Executor, KeepsItsOwnWeights) {
  ResNet network = make_network(small_basic(), 5);
  const auto executor = make_cpu(network, Precision::fp32);
  const at::Tensor input = random_pixels(1, 32, 32);
  const at::Tensor before = executor->run(input).logits;
  network = ResNet{nullptr};
  EXPECT_TRUE(executor->run(input).logits.equal(before));
}

TEST(Executor, ReleasesTheNetworksWeightsWhenToldTo) {
  const ResNet network = make_network(small_basic(), 5), same = make_network(small_basic(), 5);
  const at::Tensor input = random_pixels(1, 32, 32);
  const at::Tensor expected = make_cpu(network, Precision::fp32)->run(input).logits;
  const auto executor =
      make_executor(network, {.device = "cpu", .precision = Precision::fp32, .release_weights = true});
  EXPECT_TRUE(executor->run(input).logits.equal(expected));
  std::string reason;
  if (!cpu_supports(Precision::fp32, reason)) GTEST_SKIP() << "the module itself runs: " << reason;
  for (const auto& [name, tensor] : network->state_dict()) {
    if (name.find("conv") != std::string::npos || name == "fc.weight") {
      EXPECT_EQ(tensor.numel(), 0) << name;
    }
  }
}

// Several executors at the same time, each with more threads than there are cores.
TEST(Executor, ManyRunAtTheSameTime) {
  const ResNet network = make_network(small_basic(), 5);
  const at::Tensor input = random_pixels(4, 64, 64);
  const at::Tensor expected = make_cpu(network, Precision::fp32)->run(input).logits;
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto executor = make_cpu(network, Precision::fp32, 5);
      for (int run = 0; run < 20; ++run)
        wrong += difference(executor->run(input).logits, expected) > 1e-5 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

std::ptrdiff_t threads_of_the_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST(Executor, ThreadsBelongToTheExecutor) {
  std::string reason;
  if (!cpu_supports(Precision::fp32, reason)) GTEST_SKIP() << "the module itself runs: " << reason;
  const ResNet network = make_network(small_basic(), 5);
  const at::Tensor input = random_pixels(1, 32, 32);
  const std::ptrdiff_t before = threads_of_the_process();
  {
    const auto one = make_cpu(network, Precision::fp32, 1);
    one->run(input);
    EXPECT_EQ(threads_of_the_process(), before);
    const auto four = make_cpu(network, Precision::fp32, 4);
    four->run(input);
    EXPECT_EQ(threads_of_the_process(), before + 3);
    const auto every = make_cpu(network, Precision::fp32, 0);
    EXPECT_EQ(threads_of_the_process(), before + 3 + at::get_num_threads() - 1);
  }
  EXPECT_EQ(threads_of_the_process(), before);
}

// The reference where there are no kernels: it takes what the kernels take.
TEST(Executor, TheReferenceTakesPixelsToo) {
  const ResNet network = make_network(small_basic(), 5);
  const auto reference = make_reference_executor(network);
  const at::Tensor pixels = random_pixels(2, 33, 47);
  EXPECT_LE(difference(reference->run(pixels).logits, reference->run(normalised(pixels)).logits), 1e-5);
}

TEST(Executor, AWrongInputIsAnError) {
  const ResNet network = make_network(small_basic(), 5);
  const auto executor = make_cpu(network, Precision::fp32);
  EXPECT_THROW(executor->run(at::zeros({1, 4, 32, 32})), Error);
  EXPECT_THROW(executor->run(at::zeros({3, 32, 32})), Error);
  EXPECT_THROW(executor->run(at::zeros({0, 3, 32, 32})), Error);
}

TEST(Executor, AutomaticRuns) {
  const ResNet network = make_network(small_basic(), 5);
  const auto executor = make_executor(network, {});
  EXPECT_NE(executor->precision(), Precision::automatic);
  EXPECT_EQ(executor->run(executor->make_input(2, 32).zero_()).logits.sizes(), (at::IntArrayRef{2, 5}));
}

TEST(Executor, WhatIsNotToBeHadIsAnError) {
  EXPECT_EQ(error_of({.precision = Precision::int8}, "quantized model file"), ErrorCode::unsupported);
  EXPECT_EQ(error_of({.device = "cpu", .precision = Precision::fp16}, "fp16"), ErrorCode::unsupported);
  EXPECT_EQ(error_of({.device = "tpu"}, "no device 'tpu'"), ErrorCode::unsupported);
  EXPECT_EQ(error_of({.device = "cuda:x"}, "no device 'cuda:x'"), ErrorCode::unsupported);
  const Quantization quantization;
  EXPECT_EQ(error_of({.device = "cuda", .precision = Precision::int8, .quantization = &quantization},
                     "int8 runs on the CPU alone"),
            ErrorCode::unsupported);
  // Far more GPUs than any machine has: an error with and without the CUDA back end.
  EXPECT_EQ(error_of({.device = "cuda:1000"}, "CUDA"), ErrorCode::unsupported);
}

}  // namespace
}  // namespace resnet
