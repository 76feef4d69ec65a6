// bench-steps: single steps of ResNet-34 and 50 at 224×224 on one core: the stem, and the convolutions of
// each stage as they are written ("direct"), by Winograd's transforms and by Strassen's algorithm, in each
// precision that this CPU has.
//
//   bench-steps --benchmark_filter=bf16/.*/batch:1 --benchmark_repetitions=5
//
// The column GMAC/s counts the convolution's own multiplications, whichever way they are done.
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <benchmark/benchmark.h>

#include "model/cpu/block_convolution.h"
#include "model/cpu/stem.h"
#include "model/cpu/strassen.h"
#include "model/cpu/winograd.h"

namespace resnet::cpu {
namespace {

const Parallel one_by_one = [](int count, const std::function<void(int)>& work) {
  for (int i = 0; i < count; ++i) work(i);
};
Memory memory;
const Packing packing{one_by_one, memory};

/// size×size with padding size/2.
struct Shape {
  int in_channels, out_channels, side, stride, size;
};

constexpr std::array shapes{Shape{64, 64, 56, 1, 3},    Shape{64, 128, 56, 2, 3},  Shape{128, 128, 28, 1, 3},
                            Shape{128, 256, 28, 2, 3},  Shape{256, 256, 14, 1, 3}, Shape{256, 512, 14, 2, 3},
                            Shape{512, 512, 7, 1, 3},   Shape{256, 64, 56, 1, 1},  Shape{64, 256, 56, 1, 1},
                            Shape{512, 128, 28, 1, 1},  Shape{128, 512, 28, 1, 1}, Shape{1024, 256, 14, 1, 1},
                            Shape{256, 1024, 14, 1, 1}, Shape{2048, 512, 7, 1, 1}, Shape{512, 2048, 7, 1, 1},
                            Shape{256, 512, 56, 2, 1}};
constexpr Shape stem_shape{3, 64, 224, 2, 7};

// Weights whose sums stay in the range of the activations.
Step make_step(const Shape& shape) {
  Step step;
  step.weight = at::randn({shape.out_channels, shape.in_channels, shape.size, shape.size}) * 0.02;
  step.bias = at::randn({shape.out_channels});
  step.stride = shape.stride;
  step.padding = shape.size / 2;
  step.relu = true;
  return step;
}

void count_products(benchmark::State& state, const Shape& shape, int batch) {
  const double side = static_cast<double>(shape.side) / shape.stride;
  const double products = side * side * shape.in_channels * shape.out_channels * shape.size * shape.size;
  state.counters["GMAC/s"] =
      benchmark::Counter(products * batch * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

using Make = std::unique_ptr<Operation> (*)(const Kernels& kernels, const Step& step,
                                            const ConvolutionQuantizers& quantizers);

template <typename Kind>
std::unique_ptr<Operation> make(const Kernels& kernels, const Step& step,
                                const ConvolutionQuantizers& quantizers) {
  return std::make_unique<Kind>(kernels, step, quantizers, packing);
}

template <WinogradTransform Kernels::*transform>
std::unique_ptr<Operation> make_winograd(const Kernels& kernels, const Step& step,
                                         const ConvolutionQuantizers& quantizers) {
  return std::make_unique<Winograd>(kernels, kernels.*transform, step, quantizers, packing);
}

std::unique_ptr<Operation> make_strassen(const Kernels& kernels, const Step& step,
                                         const ConvolutionQuantizers& /*of fp32*/) {
  return std::make_unique<Strassen>(kernels, step, packing);
}

template <Make make_operation>
void run_convolution(benchmark::State& state, const Kernels* kernels, const Shape& shape, int batch) {
  const ConvolutionQuantizers quantizers{{0.02F, 0}, {0.05F, 0}, {}};
  const std::unique_ptr<Operation> made = make_operation(*kernels, make_step(shape), quantizers);
  const Operation& operation = *made;
  Call call;
  call.input = {nullptr, kernels->format, batch, shape.in_channels, shape.side, shape.side};
  call.input.margin = margin_of(*kernels);
  call.output = operation.output_of(call.input);
  const Bytes input = allocate(call.input.bytes() + overrun_bytes), output = allocate(call.output.bytes());
  std::fill_n(input.get(), call.input.bytes(), std::byte{0});
  call.input.data = input.get();
  call.output.data = output.get();
  operation.split(call, 1);
  const Bytes scratch = allocate(operation.scratch_bytes(call));
  while (state.KeepRunning()) {
    for (int unit = 0; unit < call.units(); ++unit) operation.run(call, unit, scratch.get());
  }
  count_products(state, shape, batch);
}

void run_stem(benchmark::State& state, const Kernels* kernels, const Shape& shape, int batch) {
  const Stem stem(*kernels, make_step(shape), Preprocessing{}, {0.05F, 0}, memory);
  const at::Tensor pictures = at::randint(256, {batch, shape.side, shape.side, shape.in_channels}, at::kByte);
  const Pixels pixels{pictures.const_data_ptr<std::uint8_t>(), nullptr, batch, shape.side, shape.side};
  Activations pooled = stem.output_of(pixels);
  const Bytes output = allocate(pooled.bytes());
  pooled.data = output.get();
  const int units = stem.units(pixels, 1);
  const Bytes scratch = allocate(stem.scratch_bytes(pixels, units));
  while (state.KeepRunning()) {
    for (int unit = 0; unit < units; ++unit) stem.run(pixels, pooled, unit, units, scratch.get());
  }
  count_products(state, shape, batch);
}

using Run = void (*)(benchmark::State&, const Kernels*, const Shape&, int);

void add(const std::string& kernels_name, const Kernels* kernels, const std::string& what, Run run,
         const Shape& shape) {
  for (const int batch : {1, 8}) {
    const std::string name = kernels_name + "/" + what + "/" + std::to_string(shape.in_channels) + "to" +
                             std::to_string(shape.out_channels) + "/" + std::to_string(shape.side) +
                             "/batch:" + std::to_string(batch);
    benchmark::RegisterBenchmark(name.c_str(), run, kernels, shape, batch)->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace
}  // namespace resnet::cpu

int main(int argc, char** argv) {
  using namespace resnet::cpu;
  const std::vector<std::pair<std::string, const Kernels*>> sets{
      {"fp32-avx2", avx2_kernels()},    {"fp32", avx512_kernels()},       {"bf16", avx512_bf16_kernels()},
      {"int8", avx512_vnni_kernels()},  {"int8-avx", avx_vnni_kernels()}, {"fp32-amx", amx_pair_kernels()},
      {"bf16-amx", amx_bf16_kernels()}, {"int8-amx", amx_int8_kernels()}};
  for (const auto& [name, kernels] : sets) {
    if (kernels == nullptr) continue;  // this CPU lacks the instructions
    add(name, kernels, "stem", run_stem, stem_shape);
    for (const Shape& shape : shapes) {
      if (kernels->blocks != nullptr) {
        add(name, kernels, "blocks", run_convolution<make<BlockConvolution>>, shape);
        continue;
      }
      const resnet::Step step = make_step(shape);
      add(name, kernels, "direct", run_convolution<make<Convolution>>, shape);
      if (Strassen::fits(*kernels, step))
        add(name, kernels, "strassen", run_convolution<make_strassen>, shape);
      if (Winograd::fits(kernels->winograd4, step))
        add(name, kernels, "winograd4", run_convolution<make_winograd<&Kernels::winograd4>>, shape);
      if (Winograd::fits(kernels->winograd2, step))
        add(name, kernels, "winograd2", run_convolution<make_winograd<&Kernels::winograd2>>, shape);
      if (Winograd::fits(kernels->winograd2_strided, step))
        add(name, kernels, "winograd2", run_convolution<make_winograd<&Kernels::winograd2_strided>>, shape);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
