#include "model/cpu/executor_cpu.h"

#include <algorithm>
#include <array>
#include <list>
#include <memory>

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "model/cpu/convolution.h"
#include "model/cpu/head.h"
#include "model/cpu/stem.h"
#include "model/cpu/winograd.h"
#include "model/cpu/workers.h"
#include "model/error.h"
#include "model/executor_backends.h"

namespace resnet {

namespace {

using namespace cpu;

// Winograd's weights are 4 to 8 times the size of the convolution's own.
constexpr std::size_t winograd_bytes = std::size_t{128} << 20;  // in a network
constexpr std::int64_t winograd_pairs =
    256 * 256;  // of channels: with more, reading them takes longer than is won

const Kernels* kernels_for(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return avx512_kernels() != nullptr ? avx512_kernels() : avx2_kernels();
    case Precision::bf16:
      return avx512_bf16_kernels();
    case Precision::int8:
      return avx512_vnni_kernels();
    default:
      return nullptr;
  }
}

/// A convolution, and which buffers it reads and writes.
struct Stage {
  std::unique_ptr<Operation> operation;
  std::size_t input = 0, output = 0;
};

constexpr std::size_t buffer_count =
    3;  // the block's input, and two that its convolutions pass to each other

/// How batches of one shape go through the network. Places in memory are set before each run.
struct Plan {
  int pictures = 0, height = 0, width = 0;
  int stem_units = 0;
  Activations pooled;       // what the stem makes
  std::vector<Call> calls;  // of the stages
  Activations features;
  Call head;
  std::vector<int> units;  // of the stem, the stages, the features and the head
  std::array<std::size_t, buffer_count> buffer_bytes{};
  std::size_t scratch_bytes = 0;  // of each worker
};

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(const ResNet& network, Precision precision, const ExecutorOptions& options);

  at::Tensor make_input(int n, int size) const override {
    return at::empty({n, 3, size, size}, at::TensorOptions(at::kByte), at::MemoryFormat::ChannelsLast);
  }
  NetworkOutput run(const at::Tensor& input) override;
  std::string description() const override;
  Precision precision() const override { return precision_; }

 private:
  void add(const Step& step, Quantizer output);
  Plan make_plan(const Pixels& pixels) const;
  Plan& plan_for(const Pixels& pixels);
  void place(Plan& plan);
  void run_unit(const Plan& plan, const Pixels& pixels, std::size_t stage, int unit,
                std::byte* scratch) const;

  const Precision precision_;
  const Kernels& kernels_;
  Workers workers_;
  const Parallel parallel_ = [this](int count, const std::function<void(int)>& work) {
    workers_.run({count}, [&](int /*stage*/, int unit, int /*member*/) { work(unit); });
  };

  std::unique_ptr<Stem> stem_;
  std::vector<Stage> stages_;
  std::unique_ptr<Operation> head_;  // null: none
  // While stages are added: where the steps' registers are, and what the buffers hold; then of the last
  // stage.
  std::size_t block_ = 0, inner_ = 1;
  std::array<Quantizer, buffer_count> quantizers_;
  std::size_t winograd_used_ = 0;  // bytes

  std::list<Plan> plans_;  // the last one used in front
  std::array<Bytes, buffer_count> buffers_;
  Bytes features_, logits_, scratch_;
  std::array<std::size_t, buffer_count> buffer_bytes_{};
  std::size_t features_bytes_ = 0, logits_bytes_ = 0, scratch_bytes_ = 0;
};

CpuExecutor::CpuExecutor(const ResNet& network, Precision precision, const ExecutorOptions& options)
    : precision_(precision), kernels_(*kernels_for(precision)), workers_(cpu_threads(options.threads)) {
  const c10::InferenceMode inference;
  std::size_t index = 0;
  lower(network, options.release_weights, [&](const Step& step) {
    Quantizer output;
    if (precision_ == Precision::int8) {
      output = {options.quantization->output_scale.at(index), step.relu ? 0.0F : 128.0F};
    }
    ++index;
    if (!stem_) {
      stem_ = std::make_unique<Stem>(kernels_, step, options.preprocessing, output);
      quantizers_[block_] = output;
    } else if (step.kind == Step::Kind::head) {
      // In fp32 whatever the precision: it is small, and what it says is the result.
      if (step.weight.defined())
        head_ = std::make_unique<Convolution>(*kernels_for(Precision::fp32), step, ConvolutionQuantizers{},
                                              parallel_);
    } else if (step.kind != Step::Kind::max_pool) {  // the stem does that
      add(step, output);
    }
  });
}

// What a step makes goes to a buffer that nothing is read from any more.
void CpuExecutor::add(const Step& step, Quantizer output) {
  Stage stage;
  stage.input = step.input == Step::block ? block_ : inner_;
  stage.output = block_;
  if (step.kind != Step::Kind::convolution_add) {
    const bool keeps_inner = step.input == Step::inner || step.output == Step::block;
    stage.output = 0;
    while (stage.output == block_ || (keeps_inner && stage.output == inner_)) ++stage.output;
    (step.output == Step::block ? block_ : inner_) = stage.output;
  }
  const ConvolutionQuantizers quantizers{quantizers_[stage.input], output, quantizers_[stage.output]};
  quantizers_[stage.output] = output;
  const bool fits = Winograd::fits(step) && step.weight.size(0) * step.weight.size(1) <= winograd_pairs;
  const std::size_t bytes = fits ? Winograd::weight_bytes(kernels_, step) : 0;
  if (fits && winograd_used_ + bytes <= winograd_bytes) {
    winograd_used_ += bytes;
    stage.operation = std::make_unique<Winograd>(kernels_, step, quantizers, parallel_);
  } else {
    stage.operation = std::make_unique<Convolution>(kernels_, step, quantizers, parallel_);
  }
  stages_.push_back(std::move(stage));
}

Plan CpuExecutor::make_plan(const Pixels& pixels) const {
  const int threads = workers_.size();
  Plan plan;
  plan.pictures = pixels.pictures;
  plan.height = pixels.height;
  plan.width = pixels.width;
  plan.stem_units = stem_->units(pixels, threads);
  plan.pooled = stem_->output_of(pixels);
  plan.units.push_back(plan.stem_units);
  plan.scratch_bytes = stem_->scratch_bytes(pixels, plan.stem_units);
  std::array<Activations, buffer_count> held;
  const auto keep = [&](std::size_t buffer, const Activations& activations) {
    held[buffer] = activations;
    plan.buffer_bytes[buffer] = std::max(plan.buffer_bytes[buffer], activations.bytes());
  };
  keep(0, plan.pooled);
  const auto split = [&](const Operation& operation, Call& call) {
    call.output = operation.output_of(call.input);
    operation.split(call, threads);
    plan.scratch_bytes = std::max(plan.scratch_bytes, operation.scratch_bytes(call));
  };
  for (const Stage& stage : stages_) {
    Call& call = plan.calls.emplace_back();
    call.input = held[stage.input];
    split(*stage.operation, call);
    keep(stage.output, call.output);
    plan.units.push_back(call.units());
  }
  plan.features = features_of(held[block_]);
  plan.units.push_back(pixels.pictures);
  if (head_) {
    plan.head.input = plan.features;
    split(*head_, plan.head);
    plan.units.push_back(plan.head.units());
  }
  // Not a multiple of a page, lest the workers' places share those of the caches.
  plan.scratch_bytes = (plan.scratch_bytes + 4095) / 4096 * 4096 + line_bytes;
  return plan;
}

Plan& CpuExecutor::plan_for(const Pixels& pixels) {
  constexpr std::size_t most = 64;
  auto found = std::find_if(plans_.begin(), plans_.end(), [&](const Plan& plan) {
    return plan.pictures == pixels.pictures && plan.height == pixels.height && plan.width == pixels.width;
  });
  if (found == plans_.end()) {
    if (plans_.size() == most) plans_.pop_back();
    found = plans_.insert(plans_.begin(), make_plan(pixels));
  }
  plans_.splice(plans_.begin(), plans_, found);
  return plans_.front();
}

// Gives the plan its memory, which all plans share.
void CpuExecutor::place(Plan& plan) {
  const auto grow = [](Bytes& bytes, std::size_t& size, std::size_t needed) {
    if (needed > size) {
      bytes.reset();
      size = 0;
      bytes = allocate(needed);
      size = needed;
    }
    return bytes.get();
  };
  for (std::size_t i = 0; i < buffer_count; ++i) grow(buffers_[i], buffer_bytes_[i], plan.buffer_bytes[i]);
  grow(scratch_, scratch_bytes_, plan.scratch_bytes * static_cast<std::size_t>(workers_.size()));
  plan.pooled.data = buffers_[0].get();
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    plan.calls[i].input.data = buffers_[stages_[i].input].get();
    plan.calls[i].output.data = buffers_[stages_[i].output].get();
  }
  plan.features.data = plan.head.input.data = grow(features_, features_bytes_, plan.features.bytes());
  if (head_) plan.head.output.data = grow(logits_, logits_bytes_, plan.head.output.bytes());
}

void CpuExecutor::run_unit(const Plan& plan, const Pixels& pixels, std::size_t stage, int unit,
                           std::byte* scratch) const {
  if (stage == 0) {
    stem_->run(pixels, plan.pooled, unit, plan.stem_units, scratch);
  } else if (stage <= stages_.size()) {
    stages_[stage - 1].operation->run(plan.calls[stage - 1], unit, scratch);
  } else if (stage == stages_.size() + 1) {
    average(plan.calls.back().output, quantizers_[block_].scale, unit, plan.features);
  } else {
    head_->run(plan.head, unit, scratch);
  }
}

NetworkOutput CpuExecutor::run(const at::Tensor& input) {
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
    workers_.run(plan.units, [&](int stage, int unit, int member) {
      run_unit(plan, pixels, static_cast<std::size_t>(stage), unit,
               scratch_.get() + static_cast<std::size_t>(member) * plan.scratch_bytes);
    });
    NetworkOutput output;
    output.features = to_tensor(plan.features);
    if (head_) output.logits = to_tensor(plan.head.output);
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
                                          : "this CPU lacks AVX512-VNNI";
  return false;
}

bool cpu_has_bf16() { return kernels_for(Precision::bf16) != nullptr; }

std::unique_ptr<Executor> make_cpu_executor(const ResNet& network, Precision precision,
                                            const ExecutorOptions& options) {
  return std::make_unique<CpuExecutor>(network, precision, options);
}

}  // namespace resnet
