#include "training/augment.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "training/picture.h"

namespace resnet {
namespace {

/// Pillow's Image.blend for one byte: truncated, clipped when the factor leaves 0…1.
std::uint8_t blend(double from, double to, double factor) {
  return static_cast<std::uint8_t>(std::clamp(from + factor * (to - from), 0.0, 255.0));
}

/// Pillow's convert("L").
std::uint32_t luma(const std::uint8_t* rgb) {
  return (rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16;
}

void adjust_brightness(std::vector<std::uint8_t>& pixels, double factor) {
  for (std::uint8_t& value : pixels) {
    value = blend(0, value, factor);
  }
}

void adjust_contrast(std::vector<std::uint8_t>& pixels, double factor) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    sum += luma(&pixels[i]);
  }
  const double mean = std::floor(static_cast<double>(sum) / (static_cast<double>(pixels.size()) / 3) + 0.5);
  for (std::uint8_t& value : pixels) {
    value = blend(mean, value, factor);
  }
}

void adjust_saturation(std::vector<std::uint8_t>& pixels, double factor) {
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    const double grey = luma(&pixels[i]);
    for (std::size_t c = 0; c < 3; ++c) {
      pixels[i + c] = blend(grey, pixels[i + c], factor);
    }
  }
}

void color_jitter(std::vector<std::uint8_t>& pixels, double jitter, Random& random) {
  std::vector<int> order{0, 1, 2};
  random.shuffle(order);
  for (const int adjustment : order) {
    const double factor = random.uniform(std::max(0.0, 1 - jitter), 1 + jitter);
    switch (adjustment) {
      case 0:
        adjust_brightness(pixels, factor);
        break;
      case 1:
        adjust_contrast(pixels, factor);
        break;
      default:
        adjust_saturation(pixels, factor);
        break;
    }
  }
}

void copy_rows(const RgbPicture& picture, bool flipped, std::uint8_t* out) {
  if (!flipped) {
    std::copy(picture.pixels.begin(), picture.pixels.end(), out);
    return;
  }
  const auto width = static_cast<std::size_t>(picture.width);
  for (std::size_t y = 0; y < static_cast<std::size_t>(picture.height); ++y) {
    const std::uint8_t* row = &picture.pixels[y * width * 3];
    for (std::size_t x = width; x-- > 0; out += 3) {
      std::copy_n(row + x * 3, 3, out);
    }
  }
}

}  // namespace

Crop random_crop(int width, int height, double min_scale, Random& random) {
  constexpr int kTries = 10;
  const double low_ratio = std::log(3.0 / 4.0);
  const double high_ratio = std::log(4.0 / 3.0);
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = area * random.uniform(min_scale, 1.0);
    const double ratio = std::exp(random.uniform(low_ratio, high_ratio));
    const int w = static_cast<int>(std::lround(std::sqrt(target * ratio)));
    const int h = static_cast<int>(std::lround(std::sqrt(target / ratio)));
    if (w > 0 && h > 0 && w <= width && h <= height) {
      const int top = static_cast<int>(random.below(static_cast<std::uint64_t>(height - h + 1)));
      const int left = static_cast<int>(random.below(static_cast<std::uint64_t>(width - w + 1)));
      return {left, top, w, h};
    }
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
  if (augmentation.jitter > 0) {
    color_jitter(result.pixels, augmentation.jitter, random);
  }
  copy_rows(result, flipped, out);
}

}  // namespace resnet
