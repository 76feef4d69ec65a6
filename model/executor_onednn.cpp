#include <optional>

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "model/error.h"
#include "model/lowered_executor.h"

namespace resnet {
namespace {

using Arguments = std::vector<c10::IValue>;
using Integers = std::vector<std::int64_t>;

/// LibTorch's fused oneDNN operators. They are no part of its C++ headers, so they are looked up by name;
/// calls are boxed, because the C++ types behind the schemas differ between versions.
struct Operators {
  c10::OperatorHandle convolution, convolution_add, reorder;
};

/// Nothing where this LibTorch lacks one.
const std::optional<Operators>& find_operators() {
  static const std::optional<Operators> found = []() -> std::optional<Operators> {
    c10::Dispatcher& dispatcher = c10::Dispatcher::singleton();
    const auto convolution = dispatcher.findSchema({"mkldnn::_convolution_pointwise", ""});
    const auto convolution_add = dispatcher.findSchema({"mkldnn::_convolution_pointwise_", "binary"});
    const auto reorder = dispatcher.findSchema({"mkldnn::_reorder_convolution_weight", ""});
    if (!convolution || !convolution_add || !reorder) return std::nullopt;
    return Operators{*convolution, *convolution_add, *reorder};
  }();
  return found;
}

at::Tensor call(const c10::OperatorHandle& op, Arguments arguments) {
  op.callBoxed(arguments);
  return arguments.at(0).toTensor();
}

c10::List<std::optional<at::Scalar>> no_scalars() { return c10::List<std::optional<at::Scalar>>(); }

class OnednnExecutor : public LoweredExecutor {
 public:
  OnednnExecutor(const ResNet& network, const Operators& operators, Precision precision, int threads)
      : LoweredExecutor(lower(network)),
        operators_(operators),
        precision_(precision),
        type_(precision == Precision::bf16 ? at::kBFloat16 : at::kFloat),
        threads_(threads) {
    use_threads(threads);
    const c10::InferenceMode inference;
    arguments_.resize(steps_.size());
    for (std::size_t i = 0; i < steps_.size(); ++i) prepare(i);
  }

  at::Tensor make_input(int n, int size) const override {
    return at::empty({n, 3, size, size}, at::TensorOptions(type_), at::MemoryFormat::ChannelsLast);
  }

  NetworkOutput run(const at::Tensor& input) override {
    check_input(input);
    use_threads(threads_);
    const c10::InferenceMode inference;
    try {
      return run_steps(input.to(type_).contiguous(at::MemoryFormat::ChannelsLast));
    } catch (const std::exception& error) {
      throw_device_error(description(), error);
    }
  }

  std::string description() const override { return precision_ == Precision::bf16 ? "cpu bf16" : "cpu fp32"; }
  Precision precision() const override { return precision_; }

 protected:
  at::Tensor convolution(std::size_t index, const at::Tensor& x) override {
    Arguments arguments = arguments_[index];
    arguments[0] = x;
    return call(operators_.convolution, std::move(arguments));
  }

  at::Tensor convolution_add(std::size_t index, const at::Tensor& x, const at::Tensor& residual) override {
    Arguments arguments = arguments_[index];
    arguments[0] = residual;
    arguments[1] = x;
    return call(operators_.convolution_add, std::move(arguments));
  }

 private:
  /// Packs the weights of a convolution as oneDNN wants them, once, and keeps no other copy.
  void prepare(std::size_t index) {
    Step& step = steps_[index];
    if (step.kind != Step::Kind::convolution && step.kind != Step::Kind::convolution_add) return;
    const Integers padding{step.padding, step.padding}, stride{step.stride, step.stride}, dilation{1, 1};
    const at::Tensor packed = call(operators_.reorder, {step.weight.to(type_).contiguous(), padding, stride,
                                                        dilation, step.groups, c10::IValue()});
    const at::Tensor bias = step.bias.to(type_);
    step.weight = at::Tensor();
    step.bias = at::Tensor();
    if (step.kind == Step::Kind::convolution) {
      arguments_[index] = {c10::IValue(), packed,       bias,        padding,
                           stride,        dilation,     step.groups, std::string(step.relu ? "relu" : "none"),
                           no_scalars(),  c10::IValue()};
    } else {
      arguments_[index] = {c10::IValue(),
                           c10::IValue(),
                           packed,
                           bias,
                           padding,
                           stride,
                           dilation,
                           step.groups,
                           std::string("add"),
                           c10::IValue(1.0),
                           std::string("relu"),
                           no_scalars(),
                           c10::IValue()};
    }
  }

  Operators operators_;
  Precision precision_;
  at::ScalarType type_;
  int threads_;
  std::vector<Arguments> arguments_;  ///< of the operator of each step, but for the tensors of a run
};

#if defined(__x86_64__)
bool cpu_has_avx2() { return __builtin_cpu_supports("avx2"); }
bool cpu_has_avx512() {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}
#else
bool cpu_has_avx2() { return false; }
bool cpu_has_avx512() { return false; }
#endif

}  // namespace

bool cpu_has_bf16() {
#if defined(__x86_64__)
  // A CPU with amx_bf16 has avx512_bf16 too.
  return cpu_has_avx512() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool onednn_supports(Precision precision, std::string& reason) {
  if (!at::hasMKLDNN() || !find_operators()) {
    reason = "this LibTorch lacks oneDNN's fused convolutions";
  } else if (!cpu_has_avx2()) {
    reason = "this CPU lacks AVX2";
  } else if (precision == Precision::bf16 && !cpu_has_avx512()) {
    reason = "this CPU lacks AVX-512, without which bf16 is slower than fp32";
  } else {
    return true;
  }
  return false;
}

std::unique_ptr<Executor> make_onednn_executor(const ResNet& network, Precision precision, int threads) {
  const std::optional<Operators>& operators = find_operators();
  if (!operators) throw Error(ErrorCode::unsupported, "this LibTorch lacks oneDNN's fused convolutions");
  return std::make_unique<OnednnExecutor>(network, *operators, precision, threads);
}

}  // namespace resnet
