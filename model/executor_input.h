#ifndef RESNET_MODEL_EXECUTOR_INPUT_H
#define RESNET_MODEL_EXECUTOR_INPUT_H

#include <cstddef>

#include <ATen/core/Tensor.h>

#include "model/error.h"
#include "model/preprocess.h"

namespace resnet {

/// Bytes of one picture's place in a batch that Executor::make_input made.
inline std::size_t slot_bytes(const at::Tensor& input) {
  return input.nbytes() / static_cast<std::size_t>(input.size(0));
}

/// What fills such places: in the batch's own type and layout.
/// @throws Error unsupported for a type that no preprocessor makes
inline Preprocessor make_preprocessor(const Preprocessing& preprocessing, const at::Tensor& input) {
  const TensorLayout layout = input.is_contiguous() ? TensorLayout::chw : TensorLayout::hwc;
  switch (input.scalar_type()) {
    case at::kFloat:
      return {preprocessing, TensorType::fp32, layout};
    case at::kHalf:
      return {preprocessing, TensorType::fp16, layout};
    case at::kBFloat16:
      return {preprocessing, TensorType::bf16, layout};
    case at::kByte:
      return {preprocessing, TensorType::u8, layout};
    default:
      throw Error(ErrorCode::unsupported, "the executor wants an input type that cannot be made");
  }
}

}  // namespace resnet

#endif
