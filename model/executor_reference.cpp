#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "model/error.h"
#include "model/executor_backends.h"
#include "model/resnet.h"

namespace resnet {
namespace {

class ReferenceExecutor : public Executor {
 public:
  ReferenceExecutor(const ResNet& network, const ExecutorOptions& options)
      : network_(network), threads_(options.threads), preprocessing_(options.preprocessing) {
    network_->eval();
  }

  at::Tensor make_input(int n, int size) const override { return at::empty({n, 3, size, size}, at::kFloat); }

  NetworkOutput run(const at::Tensor& input) override {
    check_input(input);
    use_threads(threads_);
    const c10::InferenceMode inference;
    try {
      NetworkOutput output;
      output.features =
          network_->forward_features(normalised_input(input, preprocessing_).to(at::kFloat)).contiguous();
      if (network_->fc) output.logits = network_->fc(output.features).contiguous();
      return output;
    } catch (const std::exception& error) {
      throw_device_error(description(), error);
    }
  }

  std::string description() const override { return "cpu fp32"; }
  Precision precision() const override { return Precision::fp32; }

 private:
  ResNet network_;
  int threads_;
  Preprocessing preprocessing_;
};

}  // namespace

std::unique_ptr<Executor> make_reference_executor(const ResNet& network, const ExecutorOptions& options) {
  return std::make_unique<ReferenceExecutor>(network, options);
}

std::unique_ptr<Executor> make_reference_executor(const ResNet& network) {
  return make_reference_executor(network, ExecutorOptions{});
}

}  // namespace resnet
