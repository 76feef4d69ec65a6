#include "training/batches.h"

#include <algorithm>

namespace resnet {
namespace {

std::vector<std::size_t> piece(const std::vector<std::size_t>& of, std::size_t begin, std::size_t end) {
  return {of.begin() + static_cast<std::ptrdiff_t>(begin), of.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace

Batches batches_of(const std::vector<std::size_t>& order, std::size_t size) {
  Batches batches;
  for (std::size_t begin = 0; begin < order.size(); begin += size)
    batches.push_back(piece(order, begin, std::min(order.size(), begin + size)));
  return batches;
}

Batches share_of(const Batches& batches, Share share, std::size_t least) {
  Batches result;
  for (const std::vector<std::size_t>& batch : batches) {
    const std::size_t n = batch.size();
    const std::size_t count = std::clamp<std::size_t>(n / least, 1, share.count);
    result.push_back(share.index < count
                         ? piece(batch, n * share.index / count, n * (share.index + 1) / count)
                         : std::vector<std::size_t>());
  }
  return result;
}

}  // namespace resnet
