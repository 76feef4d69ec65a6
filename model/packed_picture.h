#ifndef RESNET_MODEL_PACKED_PICTURE_H
#define RESNET_MODEL_PACKED_PICTURE_H

#include <cstddef>
#include <cstdint>

#include "model/image.h"
#include "model/resample.h"

namespace resnet {

// A picture on its way to a GPU: one piece of memory with the pixels that the crop needs, in their own
// format, and the tables of its plan. model/preprocess_cuda.cu makes network input of it.

struct PackedSize {
  std::size_t bytes = 0;    ///< what pack_picture writes and the GPU gets
  std::size_t scratch = 0;  ///< what the first pass writes behind them, on the GPU alone
};

/// @param plan of Preprocessor::plan for this picture, which has checked it
PackedSize packed_size(const Image& image, const ResamplePlan& plan);

/// Packs a picture into `memory`, packed_size().bytes from where it will be copied to `device`, aligned to 4.
/// @return the job over the copy: it points into `device`, which has packed_size().scratch bytes behind the
/// copy
ResampleJob pack_picture(const Image& image, const ResamplePlan& plan, std::uint8_t* memory,
                         std::uint8_t* device);

}  // namespace resnet

#endif
