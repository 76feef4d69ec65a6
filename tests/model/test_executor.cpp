#include <algorithm>
#include <thread>

#include <ATen/ops/allclose.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/error.h"
#include "model/executor.h"
#include "small_network.h"

namespace resnet {
namespace {

std::unique_ptr<Executor> make_cpu(const ResNet& network, Precision precision, int threads = 0) {
  return make_executor(network, {.device = "cpu", .precision = precision, .threads = threads});
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
  torch::manual_seed(1);
  const ResNet network = make_network(GetParam(), 7);
  const auto reference = make_reference_executor(network);
  const auto executor = make_cpu(network, Precision::fp32);
  EXPECT_EQ(executor->description(), "cpu fp32");
  for (const int n : {1, 3, 8}) {
    at::Tensor input = executor->make_input(n, 64);
    ASSERT_EQ(input.sizes(), (at::IntArrayRef{n, 3, 64, 64}));
    input.copy_(at::randn({n, 3, 64, 64}));
    const at::Tensor before = input.clone();
    const at::Tensor logits = executor->run(input).logits;
    ASSERT_EQ(logits.sizes(), (at::IntArrayRef{n, 7}));
    EXPECT_EQ(logits.scalar_type(), at::kFloat);
    EXPECT_TRUE(logits.is_contiguous());
    EXPECT_LE(difference(logits, reference->run(input).logits), 1e-4);
    EXPECT_TRUE(input.equal(before)) << "the input was overwritten";
  }
}

TEST_P(EveryBlock, Bf16IsClose) {
  torch::manual_seed(2);
  const ResNet network = make_network(GetParam(), 7);
  std::unique_ptr<Executor> executor;
  try {
    executor = make_cpu(network, Precision::bf16);
  } catch (const Error& error) {
    ASSERT_EQ(error.code(), ErrorCode::unsupported);
    GTEST_SKIP() << error.what();
  }
  EXPECT_EQ(executor->description(), "cpu bf16");
  const auto reference = make_reference_executor(network);
  for (const int n : {1, 3, 8}) {
    at::Tensor input = executor->make_input(n, 64);
    ASSERT_EQ(input.scalar_type(), at::kBFloat16);
    input.copy_(at::randn({n, 3, 64, 64}));
    const at::Tensor logits = executor->run(input).logits, truth = reference->run(input).logits;
    const double error = difference(logits, truth);
    EXPECT_LE(error, 0.03);
    // The same class, wherever the truth is clearer than the error.
    for (int i = 0; i < n; ++i) {
      const auto best = truth[i].topk(2);
      if ((std::get<0>(best)[0] - std::get<0>(best)[1]).item<double>() < 0.1) continue;
      EXPECT_EQ(logits[i].argmax().item<int>(), std::get<1>(best)[0].item<int>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Executor, EveryBlock,
                         testing::Values(small_basic(), small_bottleneck(), small_grouped()));

TEST(Executor, PartOfABatchGivesTheSame) {
  const ResNet network = make_network(small_basic(), 5);
  const auto executor = make_cpu(network, Precision::fp32);
  at::Tensor input = executor->make_input(8, 32);
  input.copy_(at::randn({8, 3, 32, 32}));
  const at::Tensor all = executor->run(input).logits;
  EXPECT_LE(difference(executor->run(input.narrow(0, 0, 3)).logits, all.narrow(0, 0, 3)), 1e-5);
}

TEST(Executor, TakesInputOfAnotherTypeAndLayout) {
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
  const at::Tensor input = at::randn({1, 3, 32, 32});
  const at::Tensor before = executor->run(input).logits;
  network = ResNet{nullptr};
  EXPECT_TRUE(executor->run(input).logits.equal(before));
}

TEST(Executor, ThreadsBelongToTheExecutor) {
  const ResNet network = make_network(small_basic(), 5);
  const int all = at::get_num_threads();
  const auto one = make_cpu(network, Precision::fp32, 1);
  const auto every = make_cpu(network, Precision::fp32, 0);
  const at::Tensor input = at::randn({1, 3, 32, 32});
  int in_one = 0, in_every = 0;
  std::thread first([&] {
    one->run(input);
    in_one = at::get_num_threads();
  });
  first.join();
  std::thread second([&] {
    every->run(input);
    in_every = at::get_num_threads();
  });
  second.join();
  EXPECT_EQ(in_one, 1);
  EXPECT_EQ(in_every, all);
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
  // Far more GPUs than any machine has: an error with and without the CUDA back end.
  EXPECT_EQ(error_of({.device = "cuda:1000"}, "CUDA"), ErrorCode::unsupported);
}

}  // namespace
}  // namespace resnet
