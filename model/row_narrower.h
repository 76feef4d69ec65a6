#ifndef RESNET_MODEL_ROW_NARROWER_H
#define RESNET_MODEL_ROW_NARROWER_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/resample.h"
#include "model/vector_unit.h"

namespace resnet {

/// Where the channels of 8-bit pixels lie.
struct ChannelLayout {
  int step = 3;  ///< bytes from pixel to pixel: 3 or 4; 1 for planes: a row of red, one of green, one of blue
  int red = 0, green = 1, blue = 2;  ///< byte of each channel in its pixel; not for planes

  bool is_planar() const { return step == 1; }
  /// Bytes of `count` pixels of a row.
  std::size_t row_bytes(std::size_t count) const {
    return count * (is_planar() ? std::size_t{3} : static_cast<std::size_t>(step));
  }
  bool operator==(const ChannelLayout&) const = default;
};

/// The horizontal pass of Pillow's resize over one row after another, to interleaved RGB.
class RowNarrower {
 public:
  RowNarrower() = default;
  /// The coefficients must outlive it, and not change.  @param unit the processor must have it
  RowNarrower(const Coefficients& columns, const ChannelLayout& layout, VectorUnit unit = best_vector_unit());

  /// @param row from column columns.begin() on, to columns.end()  @param to three bytes for each output
  /// @param soon a row that is read soon, for the caches; null: none
  void run(const std::uint8_t* row, std::uint8_t* to, const std::uint8_t* soon = nullptr);

 private:
  // VBMI: neighbouring outputs whose taps lie within one window.
  struct Group {
    std::size_t begin = 0, end = 0;                 // outputs
    std::ptrdiff_t offset = 0;                      // of the window in its row
    std::uint64_t first_mask = 0, second_mask = 0;  // bytes of the window's halves that the row has
  };

  void make_pairs();
  bool make_groups(std::size_t window);
  void pack(const Group& group, std::uint8_t* blocks) const;
  void run_portably(std::size_t from, const std::uint8_t* row, std::uint8_t* to) const;
  std::size_t run_with_avx2(const std::uint8_t* row, std::uint8_t* to) const;
  void run_with_vbmi(const std::uint8_t* row, std::uint8_t* to) const;

  const Coefficients* columns_ = nullptr;
  ChannelLayout layout_;
  VectorUnit unit_ = VectorUnit::none;
  std::size_t quartets_ = 0;  // of weights, for each output

  std::vector<std::uint8_t> pixels_;  // a row's planes interleaved, where they cannot be read as they are

  // AVX2
  std::size_t wide_ = 0;  // the first so many outputs may be read in blocks of 16 bytes, and written in 4
  std::vector<std::int16_t> halves_;  // of weights

  // VBMI
  std::size_t window_ = 0;  // bytes: a register or two
  std::vector<Group> groups_;
  std::vector<std::uint8_t> blocks_;  // for each group and quartet: 64 places in the window, 3 × 64 weights
};

}  // namespace resnet

#endif
