#include "model/run_steps.h"

#include <array>

#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>

namespace resnet {

NetworkOutput run_steps(const std::vector<Step>& steps, at::Tensor x, const Convolve& convolve) {
  NetworkOutput output;
  std::array<at::Tensor, 2> registers;
  registers[Step::block] = std::move(x);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const at::Tensor& input = registers[step.input];
    switch (step.kind) {
      case Step::Kind::convolution:
        registers[step.output] = convolve(i, input, at::Tensor());
        break;
      case Step::Kind::convolution_add:
        registers[Step::block] = convolve(i, input, registers[Step::block]);
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

}  // namespace resnet
