#include "training/augment.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "training/image_operations.h"
#include "training/picture.h"

namespace resnet {
namespace {

struct Size {
  int width, height;
};

struct Range {
  double low, high;
};

/// A rectangle somewhere in a picture, at most `largest`: its part of the area is drawn evenly, the ratio of
/// its width to its height evenly in the logarithm. None when ten tries fit none.
std::optional<Crop> random_box(Size picture, Range area, Range ratio, Size largest, Random& random) {
  constexpr int kTries = 10;
  const double low_ratio = std::log(ratio.low);
  const double high_ratio = std::log(ratio.high);
  const double whole = static_cast<double>(picture.width) * picture.height;
  for (int i = 0; i < kTries; ++i) {
    const double target = whole * random.uniform(area.low, area.high);
    const double shape = std::exp(random.uniform(low_ratio, high_ratio));
    const int w = static_cast<int>(std::lround(std::sqrt(target * shape)));
    const int h = static_cast<int>(std::lround(std::sqrt(target / shape)));
    if (w > 0 && h > 0 && w <= largest.width && h <= largest.height) {
      const int top = static_cast<int>(random.below(static_cast<std::uint64_t>(picture.height - h + 1)));
      const int left = static_cast<int>(random.below(static_cast<std::uint64_t>(picture.width - w + 1)));
      return Crop{left, top, w, h};
    }
  }
  return std::nullopt;
}

/// Blends in double, not in Pillow's float: one value in a hundred thousand differs by a step, and what a
/// seed gave before stays.
void color_jitter(RgbPicture& picture, double jitter, Random& random, std::vector<std::uint8_t>& scratch) {
  std::vector<int> order{0, 1, 2};
  random.shuffle(order);
  for (const int adjustment : order) {
    const double factor = random.uniform(std::max(0.0, 1 - jitter), 1 + jitter);
    switch (adjustment) {
      case 0:
        adjust_brightness(picture, factor);
        break;
      case 1:
        adjust_contrast(picture, factor);
        break;
      default:
        adjust_saturation(picture, factor, scratch);
        break;
    }
  }
}

void fill(RgbPicture& picture, const Crop& box, const std::array<std::uint8_t, 3>& color) {
  for (int y = box.top; y < box.top + box.height; ++y) {
    std::uint8_t* pixel = picture.pixels.data() + (std::ptrdiff_t{y} * picture.width + box.left) * 3;
    for (int x = 0; x < box.width; ++x, pixel += 3) {
      std::copy(color.begin(), color.end(), pixel);
    }
  }
}

}  // namespace

std::array<std::uint8_t, 3> mean_color(const Preprocessing& preprocessing) {
  std::array<std::uint8_t, 3> color{};
  for (std::size_t c = 0; c < 3; ++c) {
    color[c] = static_cast<std::uint8_t>(std::lround(std::clamp(preprocessing.mean[c], 0.0f, 1.0f) * 255));
  }
  return color;
}

Crop random_crop(int width, int height, double min_scale, Random& random) {
  const std::optional<Crop> drawn =
      random_box({width, height}, {min_scale, 1.0}, {3.0 / 4.0, 4.0 / 3.0}, {width, height}, random);
  if (drawn) {
    return *drawn;
  }
  // As torchvision: the largest central crop whose ratio is allowed.
  const double ratio = static_cast<double>(width) / height;
  Crop crop{0, 0, width, height};
  if (ratio < 3.0 / 4.0) {
    crop.height = std::min(height, static_cast<int>(std::lround(width / (3.0 / 4.0))));
  } else if (ratio > 4.0 / 3.0) {
    crop.width = std::min(width, static_cast<int>(std::lround(height * (4.0 / 3.0))));
  }
  crop.left = (width - crop.width) / 2;
  crop.top = (height - crop.height) / 2;
  return crop;
}

std::optional<Crop> random_erasing(int width, int height, Random& random) {
  return random_box({width, height}, {0.02, 0.33}, {1 / 3.3, 1 / 0.3}, {width - 1, height - 1}, random);
}

void augment(const RgbPicture& picture, const Augmentation& augmentation, Random& random, std::uint8_t* out) {
  const Crop crop = random_crop(picture.width, picture.height, augmentation.min_scale, random);
  const bool flipped = augmentation.flip && random.uniform() < 0.5;
  // The crop is a picture of its own: the filter must not reach beyond it, as torchvision crops before it
  // resizes.
  Image cropped = as_image(picture);
  cropped.planes[0].data += crop.top * cropped.planes[0].stride + std::ptrdiff_t{3} * crop.left;
  cropped.width = crop.width;
  cropped.height = crop.height;
  const Box all{0, 0, static_cast<double>(crop.width), static_cast<double>(crop.height)};
  RgbPicture result = resize(cropped, augmentation.size, augmentation.size, Interpolation::bilinear, all);
  if (flipped) {
    mirror(result);
  }
  std::vector<std::uint8_t> scratch;
  apply_policy(result, augmentation.policy, random, scratch);
  if (augmentation.jitter > 0) {
    color_jitter(result, augmentation.jitter, random, scratch);
  }
  if (augmentation.erase > 0 && random.uniform() < augmentation.erase) {
    if (const std::optional<Crop> box = random_erasing(result.width, result.height, random)) {
      fill(result, *box, augmentation.erase_color);
    }
  }
  std::copy(result.pixels.begin(), result.pixels.end(), out);
}

}  // namespace resnet
