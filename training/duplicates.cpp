#include "training/duplicates.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <numeric>
#include <tuple>

#include <openssl/evp.h>

#include "model/error.h"
#include "training/picture.h"

namespace resnet {
namespace {

constexpr int kSide = 16;
// In flat areas compression moves pixels by about one step in either direction.
constexpr double kNoise = 2;

RgbPicture scaled(const RgbPicture& picture, int width, int height) {
  const Box all{0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)};
  return resize(as_image(picture), width, height, Interpolation::bilinear, all);
}

std::array<std::uint16_t, 16> difference_hash(const RgbPicture& picture) {
  const RgbPicture small = scaled(picture, kSide + 1, kSide);
  const auto grey = [&](int x, int y) {
    const std::uint8_t* pixel = &small.pixels[static_cast<std::size_t>(y * (kSide + 1) + x) * 3];
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
  };
  std::array<std::uint16_t, 16> hash{};
  for (int word = 0; word < kSide; ++word) {
    unsigned bits = 0;
    for (int row = 0; row < kSide; ++row) {
      const int column = (word + 5 * row) % kSide;
      bits = bits << 1 | (grey(column + 1, row) > grey(column, row) + kNoise ? 1U : 0U);
    }
    hash[static_cast<std::size_t>(word)] = static_cast<std::uint16_t>(bits);
  }
  return hash;
}

double colour_difference(const Fingerprint& a, const Fingerprint& b) {
  int sum = 0;
  for (std::size_t i = 0; i < a.colours.size(); ++i) sum += std::abs(a.colours[i] - b.colours[i]);
  return static_cast<double>(sum) / static_cast<double>(a.colours.size());
}

/// Disjoint sets of pictures, with the largest distance inside each.
class Groups {
 public:
  explicit Groups(std::size_t count) : parents_(count), distances_(count, 0) {
    std::iota(parents_.begin(), parents_.end(), std::size_t{0});
  }

  std::size_t find(std::size_t i) {
    while (parents_[i] != i) i = parents_[i] = parents_[parents_[i]];
    return i;
  }

  void join(std::size_t a, std::size_t b, int distance) {
    const auto [low, high] = std::minmax({find(a), find(b)});
    parents_[high] = low;
    distances_[low] = std::max({distances_[low], distances_[high], distance});
  }

  int distance(std::size_t root) const { return distances_[root]; }

 private:
  std::vector<std::size_t> parents_;
  std::vector<int> distances_;
};

/// Calls `visit(first, last)` for each run of `order` that `same` calls equal.
template <typename Same, typename Visit>
void for_each_run(const std::vector<std::size_t>& order, const Same& same, const Visit& visit) {
  for (auto first = order.begin(); first != order.end();) {
    const auto last = std::find_if(first, order.end(), [&](std::size_t i) { return !same(*first, i); });
    visit(first, last);
    first = last;
  }
}

}  // namespace

Fingerprint fingerprint(std::span<const std::uint8_t> file, const RgbPicture& picture) {
  Fingerprint result;
  if (EVP_Digest(file.data(), file.size(), result.sha256.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    throw Error(ErrorCode::read, "OpenSSL cannot compute SHA-256 here");
  }
  result.hash = difference_hash(picture);
  const RgbPicture colours = scaled(picture, 4, 4);
  std::copy(colours.pixels.begin(), colours.pixels.end(), result.colours.begin());
  return result;
}

int hash_distance(const Fingerprint& a, const Fingerprint& b) {
  const auto x = std::bit_cast<std::array<std::uint64_t, 4>>(a.hash);
  const auto y = std::bit_cast<std::array<std::uint64_t, 4>>(b.hash);
  int distance = 0;
  for (std::size_t i = 0; i < x.size(); ++i) distance += std::popcount(x[i] ^ y[i]);
  return distance;
}

std::vector<DuplicateGroup> find_duplicates(const std::vector<Fingerprint>& pictures, int max_distance) {
  Groups groups(pictures.size());
  std::vector<std::size_t> order(pictures.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto digest = [&](std::size_t i) -> const auto& { return pictures[i].sha256; };
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return std::tie(digest(a), a) < std::tie(digest(b), b); });
  std::vector<std::size_t> distinct;  // one of each file
  for_each_run(
      order, [&](std::size_t a, std::size_t b) { return digest(a) == digest(b); },
      [&](auto first, auto last) {
        distinct.push_back(*first);
        for (auto i = first + 1; i != last; ++i) groups.join(*first, *i, 0);
      });
  for (std::size_t word = 0; word < kSide; ++word) {
    const auto key = [&](std::size_t i) { return pictures[i].hash[word]; };
    std::sort(distinct.begin(), distinct.end(),
              [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    for_each_run(
        distinct, [&](std::size_t a, std::size_t b) { return key(a) == key(b); },
        [&](auto first, auto last) {
          for (auto a = first; a != last; ++a) {
            for (auto b = a + 1; b != last; ++b) {
              const int distance = hash_distance(pictures[*a], pictures[*b]);
              if (distance <= max_distance &&
                  colour_difference(pictures[*a], pictures[*b]) <= kMaxColourDifference) {
                groups.join(*a, *b, distance);
              }
            }
          }
        });
  }
  std::vector<std::vector<std::size_t>> members(pictures.size());
  for (std::size_t i = 0; i < pictures.size(); ++i) members[groups.find(i)].push_back(i);
  std::vector<DuplicateGroup> result;
  for (std::size_t root = 0; root < members.size(); ++root) {
    if (members[root].size() < 2) continue;
    const bool exact = std::all_of(members[root].begin(), members[root].end(),
                                   [&](std::size_t i) { return digest(i) == digest(root); });
    result.push_back({std::move(members[root]), exact, groups.distance(root)});
  }
  return result;
}

}  // namespace resnet
