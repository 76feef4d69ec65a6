#ifndef RESNET_MODEL_RESAMPLE_H
#define RESNET_MODEL_RESAMPLE_H

#include <array>
#include <cstdint>
#include <vector>

#include "model/preprocess.h"
#include "model/resample_math.h"

namespace resnet {

/// Coefficients of one direction of Pillow's resize (Resample.c): output i is
/// (2^21 + Σ_k weights[i·taps + k] · in[first[i] + k]) >> 22, clamped to 0…255.
struct Coefficients {
  double scale = 1;                   ///< inputs from an output to the next
  int taps = 0;                       ///< weights per output, the widest
  std::vector<std::int32_t> first;    ///< first input of each output
  std::vector<std::int32_t> count;    ///< inputs of each output, at most `taps`
  std::vector<std::int32_t> weights;  ///< fixed point with coefficient_bits fraction bits

  Weights view() const { return {first.data(), count.data(), weights.data(), taps}; }
  std::int32_t begin() const { return first.front(); }
  std::int32_t end() const { return first.back() + count.back(); }
};

/// Outputs out_begin…out_end−1 of a direction that maps the range [in_begin, in_end) of `in_size` inputs to
/// `out_size` outputs.
Coefficients make_coefficients(int in_size, double in_begin, double in_end, int out_size, int out_begin,
                               int out_end, Interpolation interpolation);

/// Whether Pillow resizes the height before the width. Pillow 13 does for tall pictures; found by comparing
/// results (tests/model/pillow_cases.py does that again), as the passes round to 8 bits and so do not
/// commute.
inline bool is_vertical_first(int in_width, int in_height, int out_width, int out_height) {
  return out_height < in_height && in_height - out_height > 2 * (in_width - out_width);
}

/// Where Resize and CenterCrop put a picture of width × height: torchvision's geometry.
struct Geometry {
  int width = 0,
      height = 0;  ///< after Resize: the long side is int(resize_size · long / short) unless stretched
  int left = 0, top = 0;  ///< of the crop: round((n − crop) / 2), half to even
};
Geometry make_geometry(int width, int height, const Preprocessing& preprocessing);

/// Width that a picture has with square pixels.
/// @throws Error unsupported unless 1/100 ≤ pixel_aspect ≤ 100
int square_pixel_width(int width, double pixel_aspect);

/// What Resize and CenterCrop of a picture of one size need, whose pixels become square. `job` points into
/// `columns` and `rows`, which may be moved and not copied; its source and `between` are the caller's to set.
struct ResamplePlan {
  Coefficients columns, rows;
  ResampleJob job;

  ResamplePlan() = default;
  ResamplePlan(ResamplePlan&&) = default;
  ResamplePlan& operator=(ResamplePlan&&) = default;
};
ResamplePlan make_resample_plan(int width, int height, double pixel_aspect,
                                const Preprocessing& preprocessing);

/// @throws Error unsupported unless 1 ≤ crop_size ≤ resize_size ≤ 4096
void check_preprocessing(const Preprocessing& preprocessing);

/// The network's input by channel and 8-bit pixel: (pixel/255 − mean)/std in the low bits, in that type.
/// Channel by channel; normalize() of model/resample_math.h reads it.
using ValueTable = std::array<std::uint32_t, value_table_size>;
ValueTable make_value_table(const Preprocessing& preprocessing, TensorType type);

}  // namespace resnet

#endif
