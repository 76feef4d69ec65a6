#include "training/batches.h"

#include <algorithm>
#include <utility>

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

Batches share_of(const Batches& batches, Share share, std::size_t least, std::size_t before) {
  Batches result;
  for (const std::vector<std::size_t>& batch : batches) {
    const std::size_t n = batch.size();
    const std::size_t count = std::clamp<std::size_t>(n / least, 1, share.count);
    std::vector<std::size_t> part;
    if (share.index < count) {
      const std::size_t begin = n * share.index / count;
      if (count > 1) {
        for (std::size_t i = before; i > 0; --i) part.push_back(batch[(begin + n - i) % n]);
      }
      const std::vector<std::size_t> own = piece(batch, begin, n * (share.index + 1) / count);
      part.insert(part.end(), own.begin(), own.end());
    }
    result.push_back(std::move(part));
  }
  return result;
}

}  // namespace resnet
