#ifndef RESNET_TRAINING_RANDOM_H
#define RESNET_TRAINING_RANDOM_H

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace resnet {

/// A stream of random numbers that depends on its three keys alone (SplitMix64, Steele et al. 2014): the same
/// on every machine, in any number of worker threads, and after a resume.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t index) {
    state_ = seed;
    state_ = next() ^ epoch;
    state_ = next() ^ index;
    state_ = next();
  }

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }

  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In 0…n−1, n ≥ 1; the bias of the modulo is below 2^-32 for any picture's size.
  std::uint64_t below(std::uint64_t n) { return next() % n; }

  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[below(i)]);
    }
  }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace resnet

#endif
