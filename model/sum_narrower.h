#ifndef RESNET_MODEL_SUM_NARROWER_H
#define RESNET_MODEL_SUM_NARROWER_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/line_vector.h"
#include "model/resample.h"
#include "model/vector_unit.h"

namespace resnet {

/// The weights of an output in fixed point, so rounded that they add up to `unit`.
/// @param to as many as the output has inputs
void scale_weights(const Coefficients& coefficients, std::size_t output, double unit, std::int16_t* to);

/// The horizontal pass of YuvReducer: sums of YuvRows to 8-bit interleaved RGB. The results are the same bits
/// with each VectorUnit.
class SumNarrower {
 public:
  SumNarrower() = default;
  /// @param left column where the rows begin, not after columns.begin()
  /// @param stride numbers from a row's plane to the next, at least 64 more than its columns
  /// @param unit the processor must have it
  SumNarrower(const Coefficients& columns, int left, std::size_t stride, VectorUnit unit);

  /// @param planes of red, green and blue  @param to three bytes for each output
  void run(const std::int16_t* planes, std::uint8_t* to) const;

 private:
  // VBMI: neighbouring outputs whose inputs lie within two registers from an even column on.
  struct Group {
    std::size_t begin = 0, offset = 0;  // first output, first column
  };
  struct Pair {
    std::int16_t low = 0, high = 0;
  };

  bool make_groups(const Coefficients& columns);
  void run_portably(const std::int16_t* planes, std::uint8_t* to) const;
  void run_with_vbmi(const std::int16_t* planes, std::uint8_t* to) const;
  template <std::size_t pairs>
  void run_groups(const std::int16_t* planes, std::uint8_t* to) const;

  std::size_t outputs_ = 0, stride_ = 0;
  std::size_t taps_ = 0;               // of each output, as many as `weights_` has
  std::vector<std::size_t> first_;     // column of each output
  std::vector<std::int16_t> weights_;  // of each output

  std::size_t pairs_ = 0;  // of inputs, of each output
  std::vector<Group> groups_;
  LineVector<Pair> blocks_;  // for each group and two columns: 16 places in the window, 16 pairs of weights
};

}  // namespace resnet

#endif
