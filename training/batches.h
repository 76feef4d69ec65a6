#ifndef RESNET_TRAINING_BATCHES_H
#define RESNET_TRAINING_BATCHES_H

#include <cstddef>
#include <vector>

namespace resnet {

/// What is loaded together, by batch.
using Batches = std::vector<std::vector<std::size_t>>;

/// `order` in pieces of `size`; the last may be smaller.
Batches batches_of(const std::vector<std::size_t>& order, std::size_t size);

/// Which of some processes, that share the work, this is.
struct Share {
  std::size_t index = 0;  ///< 0…count−1
  std::size_t count = 1;
};

/// One process's part of each batch: neighbours of it, all processes' parts as equal as can be. Where there
/// are too few for `least` each, the last processes get none.
/// @param before so many more in front of a part that is not the whole batch: those before it, round the
/// batch
Batches share_of(const Batches& batches, Share share, std::size_t least, std::size_t before = 0);

}  // namespace resnet

#endif
