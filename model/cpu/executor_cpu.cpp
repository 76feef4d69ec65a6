#include "model/cpu/executor_cpu.h"

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "model/cpu/block_convolution.h"
#include "model/cpu/head.h"
#include "model/cpu/plan.h"
#include "model/cpu/strassen.h"
#include "model/cpu/winograd.h"
#include "model/cpu/workers.h"
#include "model/error.h"
#include "model/executor_backends.h"

namespace resnet {

namespace {

using namespace cpu;

// Winograd's weights are 2 to 8 times the size of the convolution's own.
constexpr std::size_t winograd_bytes = std::size_t{136} << 20;  // in a network
// Of fewer inputs Strassen's additions take what its products save; of more weights, of which it has 7/4
// times as many, reading them does.
constexpr std::int64_t least_strassen_inputs = 128;
constexpr std::int64_t most_strassen_weights = 1 << 19;

const Kernels* fp32_kernels() { return avx512_kernels() != nullptr ? avx512_kernels() : avx2_kernels(); }

const Kernels* int8_kernels() {
  if (amx_int8_kernels() != nullptr) return amx_int8_kernels();
  return avx512_vnni_kernels() != nullptr ? avx512_vnni_kernels() : avx_vnni_kernels();
}

const Kernels* kernels_for(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return amx_pair_kernels() != nullptr ? amx_pair_kernels() : fp32_kernels();
    case Precision::bf16:
      return amx_bf16_kernels() != nullptr ? amx_bf16_kernels() : avx512_bf16_kernels();
    case Precision::int8:
      return int8_kernels();
    default:
      return nullptr;
  }
}

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(const ResNet& network, Precision precision, const ExecutorOptions& options);

  at::Tensor make_input(int n, int size) const override {
    return at::empty({n, 3, size, size}, at::TensorOptions(at::kByte), at::MemoryFormat::ChannelsLast);
  }
  NetworkOutput run(const at::Tensor& input) override { return make_and_run(input, nullptr); }
  bool occupies_all_cores() const override { return workers_.size() >= cpu_threads(0); }
  NetworkOutput make_and_run(const at::Tensor& input, const MakePicture& make_picture) override;
  bool set_meanwhile(const Meanwhile& meanwhile) override {
    workers_.set_meanwhile(meanwhile);
    return true;
  }
  std::string description() const override;
  Precision precision() const override { return precision_; }

 private:
  const WinogradTransform* choose_transform(const Step& step) const;
  void add(const Step& step, Quantizer output);
  Plan& plan_for(const Pixels& pixels);
  void place(Plan& plan);
  void run_unit(const Work& work, int units, const Pixels& pixels, const MakePicture& make_picture, int unit,
                std::byte* scratch) const;

  const Precision precision_;
  const Kernels& kernels_;
  Workers workers_;
  const Parallel parallel_ = [this](int count, const std::function<void(int)>& work) {
    workers_.run({count}, [&](int /*stage*/, int unit, int /*member*/) { work(unit); });
  };

  Memory weights_;
  const Packing packing_{parallel_, weights_};
  Operations operations_;
  // While stages are added: where the steps' registers are, and what the buffers hold.
  std::size_t block_ = 0, inner_ = 1;
  std::array<Quantizer, buffer_count> quantizers_;
  std::size_t winograd_used_ = 0;  // bytes

  std::list<Plan> plans_;  // the last one used in front
  // Of the plan that needs most: its activations, and behind them each thread's scratch memory.
  Bytes memory_;
  std::size_t memory_bytes_ = 0;
};

CpuExecutor::CpuExecutor(const ResNet& network, Precision precision, const ExecutorOptions& options)
    : precision_(precision), kernels_(*kernels_for(precision)), workers_(cpu_threads(options.threads)) {
  const c10::InferenceMode inference;
  std::size_t index = 0;
  lower(network, options.release_weights, options.await_weight, [&](const Step& step) {
    Quantizer output;
    if (precision_ == Precision::int8) {
      output = {options.quantization->output_scale.at(index), step.relu ? 0.0F : 128.0F};
    }
    ++index;
    if (!operations_.stem) {
      operations_.stem = std::make_unique<Stem>(kernels_, step, options.preprocessing, output, weights_);
      quantizers_[block_] = output;
    } else if (step.kind == Step::Kind::head) {
      // In fp32 whatever the precision: it is small, and what it says is the result.
      if (step.weight.defined())
        operations_.head =
            std::make_unique<Convolution>(*fp32_kernels(), step, ConvolutionQuantizers{}, packing_);
    } else if (step.kind != Step::Kind::max_pool) {  // the stem does that
      add(step, output);
    }
  });
  operations_.last_scale = quantizers_[block_].scale;
}

// Null: it is faster, or needs less memory, as it is written.
const WinogradTransform* CpuExecutor::choose_transform(const Step& step) const {
  const std::int64_t most_channels = most_winograd_channels(kernels_.format);
  const bool narrow = step.weight.size(0) * step.weight.size(1) <= most_channels * most_channels;
  const WinogradTransform* transform = &kernels_.winograd2;
  if (narrow) transform = step.stride == 1 ? &kernels_.winograd4 : &kernels_.winograd2_strided;
  if (!Winograd::fits(*transform, step) || !(narrow || fewer_products_pay())) return nullptr;
  const std::size_t bytes = Winograd::weight_bytes(kernels_, *transform, step);
  return winograd_used_ + bytes <= winograd_bytes ? transform : nullptr;
}

// What a step makes goes to a buffer that nothing is read from any more.
void CpuExecutor::add(const Step& step, Quantizer output) {
  Stage stage;
  stage.input = step.input == Step::block ? block_ : inner_;
  stage.output = block_;
  stage.adds = step.kind == Step::Kind::convolution_add;
  if (!stage.adds) {
    const bool keeps_inner = step.input == Step::inner || step.output == Step::block;
    stage.output = 0;
    while (stage.output == block_ || (keeps_inner && stage.output == inner_)) ++stage.output;
    (step.output == Step::block ? block_ : inner_) = stage.output;
  }
  const ConvolutionQuantizers quantizers{quantizers_[stage.input], output, quantizers_[stage.output]};
  quantizers_[stage.output] = output;
  if (kernels_.blocks != nullptr) {
    stage.operation = std::make_unique<BlockConvolution>(kernels_, step, quantizers, packing_);
  } else if (const WinogradTransform* transform = choose_transform(step)) {
    winograd_used_ += Winograd::weight_bytes(kernels_, *transform, step);
    stage.operation = std::make_unique<Winograd>(kernels_, *transform, step, quantizers, packing_);
  } else if (fewer_products_pay() && Strassen::fits(kernels_, step) &&
             step.weight.size(1) >= least_strassen_inputs && step.weight.numel() <= most_strassen_weights) {
    stage.operation = std::make_unique<Strassen>(kernels_, step, packing_);
  } else {
    stage.operation = std::make_unique<Convolution>(kernels_, step, quantizers, packing_);
  }
  operations_.stages.push_back(std::move(stage));
}

Plan& CpuExecutor::plan_for(const Pixels& pixels) {
  constexpr std::size_t most = 64;
  auto found = std::find_if(plans_.begin(), plans_.end(), [&](const Plan& plan) {
    return plan.pictures == pixels.pictures && plan.height == pixels.height && plan.width == pixels.width;
  });
  if (found == plans_.end()) {
    if (plans_.size() == most) plans_.pop_back();
    found = plans_.insert(plans_.begin(), make_plan(operations_, pixels, workers_.size()));
  }
  plans_.splice(plans_.begin(), plans_, found);
  return plans_.front();
}

// Gives the plan its memory, which all plans share.
void CpuExecutor::place(Plan& plan) {
  const std::size_t needed =
      plan.memory_bytes + plan.scratch_bytes * static_cast<std::size_t>(workers_.size());
  if (needed > memory_bytes_) {
    memory_.reset();
    memory_bytes_ = 0;
    memory_ = allocate(needed);
    memory_bytes_ = needed;
  }
  plan.place(memory_.get());
}

void CpuExecutor::run_unit(const Work& work, int units, const Pixels& pixels, const MakePicture& make_picture,
                           int unit, std::byte* scratch) const {
  switch (work.kind) {
    case Work::Kind::make_picture:
      if (make_picture) {
        const int parts = units / pixels.pictures;
        make_picture(static_cast<std::size_t>(unit / parts),
                     {static_cast<std::size_t>(unit % parts), static_cast<std::size_t>(parts)});
      }
      break;
    case Work::Kind::stem:
      operations_.stem->run(pixels.part(work.first, work.call.output.pictures), work.call.output, unit, units,
                            scratch);
      break;
    case Work::Kind::operation:
      work.operation->run(work.call, unit, scratch);
      break;
    case Work::Kind::average:
      average(work.call.input, operations_.last_scale, unit, work.call.output);
      break;
  }
}

NetworkOutput CpuExecutor::make_and_run(const at::Tensor& input, const MakePicture& make_picture) {
  check_input(input);
  const c10::InferenceMode inference;
  try {
    const bool bytes = input.scalar_type() == at::kByte;
    const at::Tensor batch =
        (bytes ? input : input.to(at::kFloat)).contiguous(at::MemoryFormat::ChannelsLast);
    Pixels pixels;
    if (bytes) {
      pixels.bytes = batch.const_data_ptr<std::uint8_t>();
    } else {
      pixels.floats = batch.const_data_ptr<float>();
    }
    pixels.pictures = static_cast<int>(batch.size(0));
    pixels.height = static_cast<int>(batch.size(2));
    pixels.width = static_cast<int>(batch.size(3));
    Plan& plan = plan_for(pixels);
    place(plan);
    std::byte* const scratch = memory_.get() + plan.memory_bytes;
    workers_.run(plan.units, [&](int index, int unit, int member) {
      const auto at = static_cast<std::size_t>(index);
      run_unit(plan.work[at], plan.units[at], pixels, make_picture, unit,
               scratch + static_cast<std::size_t>(member) * plan.scratch_bytes);
    });
    NetworkOutput output;
    output.features = to_tensor(plan.features);
    if (operations_.head) output.logits = to_tensor(plan.logits);
    return output;
  } catch (const std::exception& error) {
    throw_device_error(description(), error);
  }
}

std::string CpuExecutor::description() const {
  return std::string("cpu ") + (precision_ == Precision::fp32   ? "fp32"
                                : precision_ == Precision::bf16 ? "bf16"
                                                                : "int8");
}

}  // namespace

bool cpu_supports(Precision precision, std::string& reason) {
  if (kernels_for(precision) != nullptr) return true;
  reason = precision == Precision::fp32   ? "this CPU lacks AVX2"
           : precision == Precision::bf16 ? "this CPU lacks AVX512-BF16"
                                          : "this CPU lacks AVX512-VNNI and AVX-VNNI";
  return false;
}

bool cpu_has_bf16() { return kernels_for(Precision::bf16) != nullptr; }

bool cpu_has_fast_bf16() {
  return amx_bf16_kernels() != nullptr || (cpu_has_bf16() && avx512_multiplies_bf16_fast());
}

std::unique_ptr<Executor> make_cpu_executor(const ResNet& network, Precision precision,
                                            const ExecutorOptions& options) {
  return std::make_unique<CpuExecutor>(network, precision, options);
}

}  // namespace resnet
