#include <algorithm>
#include <stdexcept>
#include <string>

#include "model/normalize_cuda.h"
#include "model/resample_math.h"

namespace resnet {
namespace {

constexpr unsigned threads_per_block = 256;
constexpr std::size_t most_blocks = 4096;  // each thread takes further elements

template <typename Element>
__global__ void normalize_kernel(const std::uint8_t* __restrict__ pixels,
                                 const std::uint32_t* __restrict__ values, std::size_t count,
                                 Element* __restrict__ out) {
  // Neighbouring threads look up different values, which shared memory gives at once.
  __shared__ std::uint32_t table[value_table_size];
  for (unsigned i = threadIdx.x; i < value_table_size; i += blockDim.x) table[i] = values[i];
  __syncthreads();
  const std::size_t step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    out[i] = normalize<Element>(table, pixels[i], static_cast<unsigned>(i % 3));
  }
}

template <typename Element>
void launch(const std::uint8_t* pixels, const std::uint32_t* values, std::size_t count, void* out,
            cudaStream_t stream) {
  const std::size_t blocks = std::min((count + threads_per_block - 1) / threads_per_block, most_blocks);
  normalize_kernel<<<static_cast<unsigned>(blocks), threads_per_block, 0, stream>>>(
      pixels, values, count, static_cast<Element*>(out));
}

}  // namespace

void normalize_on_gpu(const std::uint8_t* pixels, const std::uint32_t* values, std::size_t count, void* out,
                      std::size_t element_bytes, CUstream_st* stream) {
  if (count == 0) return;
  if (element_bytes == 2) {
    launch<std::uint16_t>(pixels, values, count, out, stream);
  } else {
    launch<std::uint32_t>(pixels, values, count, out, stream);
  }
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string("the pixels could not be normalised: ") + cudaGetErrorString(error));
  }
}

}  // namespace resnet
