#ifndef RESNET_MODEL_QUANTIZATION_H
#define RESNET_MODEL_QUANTIZATION_H

#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/architecture.h"
#include "model/preprocessing.h"

namespace resnet {

/// Scales outside are refused, those of outputs below their own limit, and so are biases beyond
/// ±kLargestScale: within, sums of 32 bits times the products and quotients of scales are finite in fp32.
inline constexpr float kSmallestScale = 1e-30F, kSmallestOutputScale = 1e-9F, kLargestScale = 1e9F;

/// What a quantized network and the one that it was made of said to the same held-out pictures.
struct QuantizationAccuracy {
  double fp32 = 0, int8 = 0;  ///< part of the pictures whose first class is right, 0…1
  double agreement = 0;       ///< part with the same first class in both, 0…1
  int pictures = 0;

  /// Points of 100 that int8 lost; below 0 where it gained.
  double loss() const { return (fp32 - int8) * 100; }
};

/// "int8 0.8719 of 367 held-out pictures right, fp32 0.8747 (0.27 points lost), the same class first for
/// 0.9946"
std::string accuracy_text(const QuantizationAccuracy& accuracy);

/// Ranges of a network's activations, found by calibration: what an int8 executor needs beside the weights.
///
/// real = scale·(q − zero point). Activations are 8 bits and one scale a tensor, rounded half to even:
/// outputs behind a ReLU are u8 with zero point 0, those without one (a downsample's) u8 with zero point 128.
/// Weights are quantize_weights() of the folded ones; the stem's first go through fold_pixels(). Biases and
/// the head stay fp32.
struct Quantization {
  /// By step of lower(network), in order: the real value of one 8-bit step of that step's output. 0 for
  /// steps that are no convolution: the pool passes on its input's scale.
  std::vector<float> output_scale;
  std::string method;  ///< that the ranges were chosen by; empty: not stated
  int pictures = 0;    ///< that they were chosen from; 0: not stated
  std::optional<QuantizationAccuracy> accuracy;
};

/// Integers of one scale for each output channel: weight ≈ scale·values.
struct QuantizedWeights {
  at::Tensor values;  ///< int8, −127…127, the weight's shape
  at::Tensor scale;   ///< fp32 [out]: max|w|/127 of the channel; 1 for one that is all zeros (below 1e-30)
};

/// Symmetric quantization of a folded convolution weight [out, in/groups, k, k], fp32, with one scale for
/// each output channel. Weights that are such integers times their scale give those integers again.
QuantizedWeights quantize_weights(const at::Tensor& weight);

/// scale·values, fp32.
at::Tensor to_real(const QuantizedWeights& weights);

/// Whether quantize_weights(to_real(weights)) has the same values.
bool stay_the_same(const QuantizedWeights& weights);

/// The stem's weight for pixels 0…255 in place of normalised input: w/(255·std) by input channel. An executor
/// quantizes that, and takes what the integers make of the mean, Σ scale·values·255·mean over the taps that
/// lie inside the picture, from the bias.
at::Tensor fold_pixels(const at::Tensor& weight, const Preprocessing& preprocessing);

/// By step of lower(network), in order: the name of its module ("conv1", "layer1.0.conv2",
/// "layer2.0.downsample.0", "fc"); empty for the pool.
std::vector<std::string> step_names(const Architecture& architecture);

/// @param where begins the error: the quoted name of the file
/// @throws Error mismatch, format: not one scale for each step; a convolution's not in 1e-9…1e9, another's
/// not
/// 0
void check_quantization(const Quantization& quantization, const Architecture& architecture,
                        const std::string& where);

}  // namespace resnet

#endif
