#ifndef RESNET_MODEL_CPU_PLAN_H
#define RESNET_MODEL_CPU_PLAN_H

#include <memory>
#include <vector>

#include "model/cpu/stem.h"

namespace resnet::cpu {

constexpr std::size_t buffer_count =
    3;  ///< the block's input, and two that its convolutions pass to each other

/// A convolution, and which buffers it reads and writes.
struct Stage {
  std::unique_ptr<Operation> operation;
  std::size_t input = 0, output = 0;
  bool adds = false;  ///< to what is in the output's buffer; the block is done with it
};

/// A network's operations.
struct Operations {
  std::unique_ptr<Stem> stem;       ///< makes buffer 0
  std::vector<Stage> stages;        ///< in the order in which they run
  float last_scale = 1.0F;          ///< of what the last stage makes
  std::unique_ptr<Operation> head;  ///< reads features; null: none
};

/// One operation on some of the batch's pictures, cut into units that may be done at the same time. The first
/// is that the pictures are made.
struct Work {
  enum class Kind : std::uint8_t { make_picture, stem, operation, average };

  Kind kind = Kind::operation;
  const Operation* operation = nullptr;
  int first = 0;  ///< of the pictures
  Call call;      ///< places are set by Plan::place(); of the stem only the output
  std::size_t input_at = 0, residual_at = 0, output_at = 0;  ///< bytes behind the plan's memory
  bool adds = false;
};

/// How batches of one shape go through the network. Pictures go through the first blocks, whose activations
/// are large, in groups whose activations stay in the caches; through later ones in larger groups, for which
/// the weights are read once.
struct Plan {
  int pictures = 0, height = 0, width = 0;
  std::vector<Work> work;  ///< in this order
  std::vector<int> units;  ///< of each
  Activations features, logits;
  std::size_t features_at = 0, logits_at = 0;
  std::size_t memory_bytes = 0;   ///< of all activations
  std::size_t scratch_bytes = 0;  ///< of each thread

  /// Sets where the activations are.
  /// @param memory of memory_bytes, at a multiple of 64
  void place(std::byte* memory);
};

Plan make_plan(const Operations& operations, const Pixels& pixels, int threads);

}  // namespace resnet::cpu

#endif
