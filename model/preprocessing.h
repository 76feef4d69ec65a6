#ifndef RESNET_MODEL_PREPROCESSING_H
#define RESNET_MODEL_PREPROCESSING_H

#include <array>
#include <cstdint>

namespace resnet {

/// Pillow's filters of the same names, both with antialiasing when shrinking.
enum class Interpolation : std::uint8_t { bilinear, bicubic };

/// What Resize does to a picture that is no square.
enum class Fit : std::uint8_t {
  crop,    ///< keeps its shape, as torchvision's Resize(S): the short side becomes resize_size
  stretch  ///< torchvision's Resize((S, S)): both sides do
};

constexpr const char* fit_name(Fit fit) { return fit == Fit::crop ? "crop" : "stretch"; }

/// The longest side of network input, and of what Resize makes.
constexpr int max_input_size = 4096;

/// How pixels become network input; travels in the model file. The defaults are ImageNet's, as in
/// torchvision's V1 weights: Resize(256), CenterCrop(224).
struct Preprocessing {
  int resize_size = 256;  ///< the short side after Resize, or both, in pixels
  int crop_size = 224;    ///< side of the square that CenterCrop keeps: the network's input
  Fit fit = Fit::crop;
  Interpolation interpolation = Interpolation::bilinear;
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};  ///< of RGB in 0…1
  std::array<float, 3> std{0.229f, 0.224f, 0.225f};   ///< of RGB in 0…1

  bool operator==(const Preprocessing&) const = default;

  /// For pictures of `crop_size` S the design's rule: Resize(round(S·256/224)).
  static Preprocessing for_image_size(int image_size) {
    Preprocessing result;
    result.crop_size = image_size;
    result.resize_size = (image_size * 256 + 112) / 224;
    return result;
  }
};

}  // namespace resnet

#endif
