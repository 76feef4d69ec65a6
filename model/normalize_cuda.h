#ifndef RESNET_MODEL_NORMALIZE_CUDA_H
#define RESNET_MODEL_NORMALIZE_CUDA_H

#include <cstddef>
#include <cstdint>

struct CUstream_st;  // cudaStream_t points to one; no CUDA header here

namespace resnet {

/// Queues the normalisation of `count` bytes of RGB pixels on a stream. All memory is the GPU's.
/// @param pixels channels last: R, G, B, R, …
/// @param values a ValueTable (model/resample.h), channel by channel
/// @param out `count` elements of `element_bytes`: 2 (fp16, bf16) or 4 (fp32)
/// @throws std::runtime_error when the kernel cannot be started
void normalize_on_gpu(const std::uint8_t* pixels, const std::uint32_t* values, std::size_t count, void* out,
                      std::size_t element_bytes, CUstream_st* stream);

}  // namespace resnet

#endif
