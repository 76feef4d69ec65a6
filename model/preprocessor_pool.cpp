#include "model/preprocessor_pool.h"

#include <algorithm>
#include <utility>

namespace resnet {

void PreprocessorPool::serve(std::size_t streams) {
  const std::lock_guard lock(mutex_);
  most_ = std::max<std::size_t>(2 * streams, 2);
  if (free_.size() > most_) free_.erase(free_.begin(), free_.end() - static_cast<std::ptrdiff_t>(most_));
}

Preprocessor PreprocessorPool::take(const Image& image) {
  const std::lock_guard lock(mutex_);
  auto found = std::find_if(free_.rbegin(), free_.rend(),
                            [&](const Preprocessor& one) { return one.is_ready_for(image); });
  if (found == free_.rend()) {
    if (free_.size() < most_) return pattern_.another();
    found = free_.rend() - 1;  // which was not used for longest
  }
  Preprocessor taken = std::move(*found);
  free_.erase(found.base() - 1);
  return taken;
}

void PreprocessorPool::give_back(Preprocessor preprocessor) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(preprocessor));
}

std::size_t PreprocessorPool::size() const {
  const std::lock_guard lock(mutex_);
  return free_.size();
}

}  // namespace resnet
