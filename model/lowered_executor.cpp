#include "model/lowered_executor.h"

#include <algorithm>
#include <array>
#include <new>

#include <ATen/Parallel.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <c10/util/Exception.h>

#include "model/error.h"

namespace resnet {

NetworkOutput LoweredExecutor::run_steps(at::Tensor x) {
  NetworkOutput output;
  std::array<at::Tensor, 2> registers;
  registers[Step::block] = std::move(x);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const at::Tensor& input = registers[step.input];
    switch (step.kind) {
      case Step::Kind::convolution:
        registers[step.output] = convolution(i, input);
        break;
      case Step::Kind::convolution_add:
        registers[Step::block] = convolution_add(i, input, registers[Step::block]);
        registers[Step::inner] = at::Tensor();
        break;
      case Step::Kind::max_pool:
        registers[step.output] = at::max_pool2d(input, 3, 2, 1);
        break;
      case Step::Kind::head: {
        output.features = input.mean(at::IntArrayRef{2, 3}, /*keepdim=*/false, at::kFloat).contiguous();
        if (step.weight.defined())
          output.logits = at::linear(output.features, step.weight, step.bias).contiguous();
        break;
      }
    }
  }
  return output;
}

void use_threads(int threads) {
  static const int all = at::get_num_threads();
  const int wanted = threads > 0 ? threads : all;
  if (at::get_num_threads() != wanted) at::set_num_threads(wanted);
}

void check_input(const at::Tensor& input) {
  if (input.dim() == 4 && input.size(0) > 0 && input.size(1) == 3 && input.size(2) > 0 && input.size(3) > 0)
    return;
  std::string shape;
  for (const std::int64_t size : input.sizes()) shape += (shape.empty() ? "" : ", ") + std::to_string(size);
  throw Error(ErrorCode::mismatch,
              "the network's input has shape [" + shape + "]; [n, 3, height, width] is needed");
}

void throw_device_error(const std::string& device, const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string message = torch_error ? torch_error->what_without_backtrace() : error.what();
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) message = "out of memory";
  message.resize(std::min(message.find('\n'), message.size()));
  throw Error(ErrorCode::device, "the network failed on " + device + ": " + message);
}

}  // namespace resnet
