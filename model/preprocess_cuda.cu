#include <stdexcept>
#include <string>

#include "model/preprocess_cuda.h"

namespace resnet {
namespace {

constexpr unsigned threads_per_block = 256;
constexpr unsigned blocks_per_picture = 128;  // each thread takes further pixels

// The first thread's pixel in a picture, and the step to its next one.
__device__ int first_pixel() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }
__device__ int pixel_step() { return static_cast<int>(gridDim.x * blockDim.x); }

// Pillow rounds to 8 bits between its passes, so each is a kernel of its own.
__global__ void first_pass_kernel(const ResampleJob* __restrict__ jobs) {
  const ResampleJob job = jobs[blockIdx.y];
  const int pixels = job.between_width * job.between_height;
  for (int i = first_pixel(); i < pixels; i += pixel_step()) {
    first_pass(job, i % job.between_width, i / job.between_width);
  }
}

template <typename Element>
__global__ void second_pass_kernel(const ResampleJob* __restrict__ jobs, int crop,
                                   const std::uint32_t* __restrict__ values, Element* __restrict__ out) {
  // Neighbouring threads look up different values, which shared memory gives at once.
  __shared__ std::uint32_t table[value_table_size];
  for (unsigned i = threadIdx.x; i < value_table_size; i += blockDim.x) table[i] = values[i];
  __syncthreads();
  const ResampleJob job = jobs[blockIdx.y];
  Element* picture = out + std::size_t{blockIdx.y} * static_cast<std::size_t>(crop) * crop * 3;
  const int pixels = job.crop * job.crop;
  for (int i = first_pixel(); i < pixels; i += pixel_step()) {
    write_input(job, table, i % job.crop, i / job.crop, picture);
  }
}

}  // namespace

void preprocess_on_gpu(const ResampleJob* jobs, std::size_t count, int crop, const std::uint32_t* values,
                       void* out, std::size_t element_bytes, CUstream_st* stream) {
  if (count == 0) return;
  const dim3 grid(blocks_per_picture, static_cast<unsigned>(count));
  first_pass_kernel<<<grid, threads_per_block, 0, stream>>>(jobs);
  if (element_bytes == 2) {
    second_pass_kernel<<<grid, threads_per_block, 0, stream>>>(jobs, crop, values,
                                                               static_cast<std::uint16_t*>(out));
  } else {
    second_pass_kernel<<<grid, threads_per_block, 0, stream>>>(jobs, crop, values,
                                                               static_cast<std::uint32_t*>(out));
  }
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string("the pictures could not be preprocessed: ") +
                             cudaGetErrorString(error));
  }
}

}  // namespace resnet
