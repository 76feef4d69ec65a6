#include "tests/model/quantized_reference.h"

#include <array>

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include "model/lowering.h"

namespace resnet {
namespace {

/// A quantized tensor: real = scale·(values − zero); the values are whole numbers in doubles.
struct Quantized {
  at::Tensor values;
  double scale = 1, zero = 0;

  at::Tensor real() const { return (values - zero) * scale; }
};

at::Tensor by_channel(const at::Tensor& values) { return values.to(at::kDouble).view({1, -1, 1, 1}); }

at::Tensor colours(const std::array<float, 3>& values) {
  return by_channel(at::tensor(at::ArrayRef<float>(values)));
}

class QuantizedReference : public Executor {
 public:
  QuantizedReference(const ResNet& network, const Quantization& quantization,
                     const Preprocessing& preprocessing)
      : steps_(lower(network)),
        quantization_(quantization),
        mean_(colours(preprocessing.mean) * 255),
        std_(colours(preprocessing.std) * 255) {
    steps_[0].weight = fold_pixels(steps_[0].weight, preprocessing);
    for (const Step& step : steps_) {
      const bool convolves = step.kind == Step::Kind::convolution || step.kind == Step::Kind::convolution_add;
      weights_.push_back(convolves ? quantize_weights(step.weight) : QuantizedWeights{});
    }
  }

  at::Tensor make_input(int n, int size) const override { return at::empty({n, 3, size, size}, at::kByte); }

  NetworkOutput run(const at::Tensor& input) override {
    const c10::InferenceMode inference;
    at::Tensor pixels = input.to(at::kDouble);
    if (input.scalar_type() != at::kByte) pixels = (pixels * std_ + mean_).round().clamp(0, 255);
    std::array<Quantized, 2> registers;
    // Padding is 0 here, the mean: it adds nothing, as in the normalised picture.
    registers[Step::block].values = pixels - mean_;
    NetworkOutput output;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const Step& step = steps_[i];
      const Quantized& from = registers[step.input];
      if (step.kind == Step::Kind::max_pool) {
        registers[step.output].values = at::max_pool2d(from.values, 3, 2, 1);
      } else if (step.kind == Step::Kind::head) {
        output.features = from.real().mean(at::IntArrayRef{2, 3}).to(at::kFloat);
        if (step.weight.defined()) output.logits = at::linear(output.features, step.weight, step.bias);
      } else {
        registers[step.output] = convolve(i, from, registers[Step::block]);
      }
    }
    return output;
  }

  std::string description() const override { return "cpu int8 reference"; }
  Precision precision() const override { return Precision::int8; }

 private:
  Quantized convolve(std::size_t index, const Quantized& from, const Quantized& block) const {
    const Step& step = steps_[index];
    const at::Tensor sums = at::conv2d(from.values, weights_[index].values.to(at::kDouble), {}, step.stride,
                                       step.padding, 1, step.groups);
    at::Tensor real = sums * (by_channel(weights_[index].scale) * from.scale) + by_channel(step.bias);
    if (step.kind == Step::Kind::convolution_add) real += block.real();
    Quantized to;
    to.scale = double{quantization_.output_scale.at(index)};
    to.zero = step.relu ? 0 : 128;
    to.values = (real / to.scale).round().add(to.zero).clamp(0, 255);
    return to;
  }

  std::vector<Step> steps_;
  std::vector<QuantizedWeights> weights_;  ///< by step
  Quantization quantization_;
  at::Tensor mean_, std_;  ///< of pixels 0…255
};

}  // namespace

std::unique_ptr<Executor> make_quantized_reference(const ResNet& network, const Quantization& quantization,
                                                   const Preprocessing& preprocessing) {
  return std::make_unique<QuantizedReference>(network, quantization, preprocessing);
}

}  // namespace resnet
