#include "training/mix.h"

#include <algorithm>
#include <cmath>

#include "model/error.h"
#include "model/vectorise.h"
#include "training/distributions.h"

namespace resnet {
namespace {

constexpr double kOne = 65536;

RESNET_VECTORISE void mix_bytes(std::uint8_t* own, const std::uint8_t* other, std::size_t n,
                                std::uint32_t weight) {
  for (std::size_t i = 0; i < n; ++i) {
    own[i] = static_cast<std::uint8_t>((own[i] * weight + other[i] * (65536 - weight) + 32768) >> 16);
  }
}

void copy_box(std::uint8_t* own, const std::uint8_t* other, const Crop& box, int size) {
  for (int y = box.top; y < box.top + box.height; ++y) {
    const std::ptrdiff_t at = (std::ptrdiff_t{y} * size + box.left) * 3;
    std::copy_n(other + at, std::ptrdiff_t{3} * box.width, own + at);
  }
}

void mix_picture(const BatchMix& mix, int size, std::size_t picture_bytes, const std::uint8_t* other,
                 std::uint8_t* own) {
  if (mix.kind == BatchMix::Kind::mixup) {
    mix_bytes(own, other, picture_bytes, static_cast<std::uint32_t>(std::lround(mix.weight * kOne)));
  } else {
    copy_box(own, other, mix.box, size);
  }
}

}  // namespace

BatchMix draw_mixup(double alpha, Random& random) {
  BatchMix mix;
  mix.kind = BatchMix::Kind::mixup;
  mix.weight = std::round(random_beta(alpha, alpha, random) * kOne) / kOne;
  return mix;
}

BatchMix draw_cutmix(int size, double alpha, Random& random) {
  const double cut = 1 - random_beta(alpha, alpha, random);
  const int half = static_cast<int>(0.5 * std::sqrt(cut) * size);
  const int x = static_cast<int>(random.below(static_cast<std::uint64_t>(size)));
  const int y = static_cast<int>(random.below(static_cast<std::uint64_t>(size)));
  BatchMix mix;
  mix.kind = BatchMix::Kind::cutmix;
  mix.box.left = std::max(x - half, 0);
  mix.box.top = std::max(y - half, 0);
  mix.box.width = std::min(x + half, size) - mix.box.left;
  mix.box.height = std::min(y + half, size) - mix.box.top;
  mix.weight = 1 - static_cast<double>(mix.box.width) * mix.box.height / (static_cast<double>(size) * size);
  return mix;
}

BatchMix draw_mix(int size, double mixup_alpha, double cutmix_alpha, Random& random) {
  if (mixup_alpha <= 0 && cutmix_alpha <= 0) {
    return {};
  }
  const bool mixup = cutmix_alpha <= 0 || (mixup_alpha > 0 && random.below(2) == 0);
  return mixup ? draw_mixup(mixup_alpha, random) : draw_cutmix(size, cutmix_alpha, random);
}

SecondLabels mix_batch(const BatchMix& mix, int size, const std::vector<std::int64_t>& labels,
                       std::vector<std::uint8_t>& bytes) {
  const std::size_t n = labels.size();
  const std::size_t picture =
      std::size_t{3} * static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  if (bytes.size() != n * picture) {
    throw Error(ErrorCode::mismatch, "a batch of " + std::to_string(n) + " pictures of " +
                                         std::to_string(size) + "×" + std::to_string(size) + " has " +
                                         std::to_string(bytes.size()) + " bytes; expected " +
                                         std::to_string(n * picture));
  }
  SecondLabels second{labels, 1 - mix.weight};
  if (mix.kind == BatchMix::Kind::none || n == 0) {
    return second;
  }
  std::rotate(second.labels.begin(), second.labels.end() - 1, second.labels.end());
  // From the last to the first: each still finds the one before it as it was.
  const std::vector<std::uint8_t> last(bytes.end() - static_cast<std::ptrdiff_t>(picture), bytes.end());
  for (std::size_t i = n; i-- > 0;) {
    const std::uint8_t* other = i > 0 ? &bytes[(i - 1) * picture] : last.data();
    mix_picture(mix, size, picture, other, &bytes[i * picture]);
  }
  return second;
}

}  // namespace resnet
