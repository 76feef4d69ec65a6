#ifndef RESNET_MODEL_RESAMPLE_H
#define RESNET_MODEL_RESAMPLE_H

#include <cstdint>
#include <vector>

#include "model/preprocessing.h"

namespace resnet {

/// Coefficients of one direction of Pillow's resize (Resample.c): output i is
/// (2^21 + Σ_k weights[i·taps + k] · in[first[i] + k]) >> 22, clamped to 0…255.
struct Coefficients {
  int taps = 0;                       ///< weights per output, the widest
  std::vector<int> first;             ///< first input of each output
  std::vector<int> count;             ///< inputs of each output, at most `taps`
  std::vector<std::int32_t> weights;  ///< fixed point with 22 fraction bits
};

constexpr int coefficient_bits = 32 - 8 - 2;

/// Outputs out_begin…out_end−1 of a direction that maps the range [in_begin, in_end) of `in_size` inputs to
/// `out_size` outputs.
Coefficients make_coefficients(int in_size, double in_begin, double in_end, int out_size, int out_begin,
                               int out_end, Interpolation interpolation);

inline std::uint8_t clip_coefficient_sum(std::int32_t sum) {
  const std::int32_t value = sum >> coefficient_bits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// Where Resize and CenterCrop put a picture of width × height: torchvision's geometry.
struct Geometry {
  int width = 0, height = 0;  ///< after Resize: the long side is int(resize_size · long / short)
  int left = 0, top = 0;      ///< of the crop: round((n − crop) / 2), half to even
};
Geometry make_geometry(int width, int height, const Preprocessing& preprocessing);

}  // namespace resnet

#endif
