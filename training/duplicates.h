#ifndef RESNET_TRAINING_DUPLICATES_H
#define RESNET_TRAINING_DUPLICATES_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/preprocess.h"

namespace resnet {

/// What two pictures are compared by: 128 bytes that say whether they are the same file, or look the same.
struct Fingerprint {
  std::array<std::uint8_t, 32> sha256{};  ///< of the file's bytes
  /// Difference hash (Krawetz 2013, "Kind of Like That", hackerfactor.com), of 256 bits: the picture in grey,
  /// scaled to 17×16 pixels; a bit says whether a pixel is brighter than its left neighbour, by more than
  /// noise. Word w holds, of each row r, the bit of column (w + 5r) mod 16: every word has bits from all over
  /// the picture.
  std::array<std::uint16_t, 16> hash{};
  std::array<std::uint8_t, 48> colours{};  ///< scaled to 4×4 pixels, RGB
};

Fingerprint fingerprint(std::span<const std::uint8_t> file, const RgbPicture& picture);

/// Bits of the hashes that differ: 0…256.
int hash_distance(const Fingerprint& a, const Fingerprint& b);

/// The largest distance that find_duplicates can be asked for.
inline constexpr int kMaxHashDistance = 15;

/// Pictures that are one picture.
struct DuplicateGroup {
  std::vector<std::size_t> members;  ///< rising indices of at least two
  bool exact = false;                ///< all have the same bytes
  int distance = 0;                  ///< the largest hash distance that joined two of them
};

/// Groups of pictures with the same bytes, or that look the same: their hashes differ in at most
/// `max_distance` bits (0…15) and their colours by at most kMaxColourDifference on average. Whoever looks
/// like a member belongs to the group.
///
/// The search is exact and takes a small multiple of n·log n for pictures that differ: hashes of which at
/// most 15 of 256 bits differ have one of their 16 words in common (Norouzi, Punjani and Fleet 2012, "Fast
/// Search in Hamming Space with Multi-Index Hashing").
std::vector<DuplicateGroup> find_duplicates(const std::vector<Fingerprint>& pictures, int max_distance);

/// 8-bit steps, the mean over the 4×4 pixels and three channels.
inline constexpr double kMaxColourDifference = 10;

}  // namespace resnet

#endif
