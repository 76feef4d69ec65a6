#include "model/executor_backends.h"

#include <algorithm>
#include <array>
#include <new>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include "model/error.h"

namespace resnet {

int cpu_threads(int option) {
  static const int all = at::get_num_threads();
  return option > 0 ? option : all;
}

void use_threads(int option) {
  const int wanted = cpu_threads(option);
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

at::Tensor normalised_input(const at::Tensor& input, const Preprocessing& preprocessing) {
  if (input.scalar_type() != at::kByte) return input;
  const auto by_channel = [](const std::array<float, 3>& values) {
    return at::tensor(at::ArrayRef<float>(values)).view({1, 3, 1, 1});
  };
  return (input.to(at::kFloat) / 255 - by_channel(preprocessing.mean)) / by_channel(preprocessing.std);
}

void throw_device_error(const std::string& device, const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string message = torch_error ? torch_error->what_without_backtrace() : error.what();
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) message = "out of memory";
  message.resize(std::min(message.find('\n'), message.size()));
  throw Error(ErrorCode::device, "the network failed on " + device + ": " + message);
}

}  // namespace resnet
