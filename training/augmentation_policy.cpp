#include "training/augmentation_policy.h"

#include <array>
#include <cmath>

#include "model/error.h"

namespace resnet {
namespace {

constexpr int kBins = 31;
constexpr int kRandOperations = 2;
constexpr int kRandMagnitude = 9;

/// The magnitudes of one operation, evenly from the first to the last; none when they are the same.
struct Magnitudes {
  float first = 0, last = 0;
  bool either_sign = false;
};

using MagnitudeSpace = std::array<Magnitudes, kOperations>;

/// By Operation. `enhance` is for brightness, color, contrast and sharpness.
MagnitudeSpace magnitude_space(float shear, float translate_x, float translate_y, float rotate, float enhance,
                               float posterize) {
  const Magnitudes sheared{0, shear, true};
  const Magnitudes enhanced{0, enhance, true};
  return {{{},
           sheared,
           sheared,
           {0, translate_x, true},
           {0, translate_y, true},
           {0, rotate, true},
           enhanced,
           enhanced,
           enhanced,
           enhanced,
           {8, posterize, false},
           {255, 0, false},
           {},
           {}}};
}

/// torch.linspace(first, last, 31)[bin] with the rounding it has on a processor with AVX2 or AVX-512: it
/// makes the middle of 0…32 one bit less than 16, and so a translation by 15 pixels.
float linspace(float first, float last, int bin) {
  const float step = (last - first) / (kBins - 1);
  return bin < kBins / 2 ? std::fma(step, static_cast<float>(bin), first)
                         : std::fma(-step, static_cast<float>(kBins - 1 - bin), last);
}

template <typename Bin>
OperationChoice choose(const MagnitudeSpace& space, const Bin& bin, Random& random) {
  OperationChoice choice;
  choice.operation = static_cast<Operation>(random.below(kOperations));
  const Magnitudes& magnitudes = space[static_cast<std::size_t>(choice.operation)];
  if (magnitudes.first == magnitudes.last) {
    return choice;
  }
  choice.magnitude = linspace(magnitudes.first, magnitudes.last, bin());
  if (choice.operation == Operation::posterize) {
    choice.magnitude = std::round(choice.magnitude);
  }
  if (magnitudes.either_sign && random.below(2) == 1) {
    choice.magnitude = -choice.magnitude;
  }
  return choice;
}

}  // namespace

AugmentationPolicy augmentation_policy(const std::string& name) {
  if (name == "none") {
    return AugmentationPolicy::none;
  }
  if (name == "trivial") {
    return AugmentationPolicy::trivial;
  }
  if (name == "rand") {
    return AugmentationPolicy::rand;
  }
  throw Error(ErrorCode::unsupported,
              "no augmentation policy is named '" + name + "'; expected none, trivial or rand");
}

OperationChoice choose_trivial(Random& random) {
  static const MagnitudeSpace kSpace = magnitude_space(0.99f, 32, 32, 135, 0.99f, 2);
  return choose(
      kSpace, [&] { return static_cast<int>(random.below(kBins)); }, random);
}

OperationChoice choose_rand(int width, int height, int magnitude, Random& random) {
  constexpr double kFarthest = 150.0 / 331.0;  // of a side
  const MagnitudeSpace space = magnitude_space(0.3f, static_cast<float>(kFarthest * width),
                                               static_cast<float>(kFarthest * height), 30, 0.9f, 4);
  return choose(
      space, [&] { return magnitude; }, random);
}

void apply_policy(RgbPicture& picture, AugmentationPolicy policy, Random& random,
                  std::vector<std::uint8_t>& scratch) {
  const auto apply = [&](const OperationChoice& choice) {
    apply_operation(picture, choice.operation, choice.magnitude, scratch);
  };
  switch (policy) {
    case AugmentationPolicy::none:
      return;
    case AugmentationPolicy::trivial:
      return apply(choose_trivial(random));
    case AugmentationPolicy::rand:
      for (int i = 0; i < kRandOperations; ++i) {
        apply(choose_rand(picture.width, picture.height, kRandMagnitude, random));
      }
      return;
  }
}

}  // namespace resnet
