#ifndef RESNET_MODEL_PREPROCESS_CUDA_H
#define RESNET_MODEL_PREPROCESS_CUDA_H

#include <cstddef>
#include <cstdint>

#include "model/resample_math.h"

struct CUstream_st;  // cudaStream_t points to one; no CUDA header here

namespace resnet {

/// Queues on a stream what makes network input of `count` packed pictures. All memory is the GPU's.
/// @param jobs of pack_picture; one without a crop leaves its place in `out` as it is
/// @param values a ValueTable (model/resample.h)
/// @param out [count, crop, crop, 3] elements of `element_bytes`: 2 (fp16, bf16) or 4 (fp32)
/// @throws std::runtime_error when the kernels cannot be started
void preprocess_on_gpu(const ResampleJob* jobs, std::size_t count, int crop, const std::uint32_t* values,
                       void* out, std::size_t element_bytes, CUstream_st* stream);

}  // namespace resnet

#endif
