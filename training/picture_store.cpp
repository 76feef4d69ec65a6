#include "training/picture_store.h"

#include <algorithm>

#include <unistd.h>

namespace resnet {

PictureStore::PictureStore(std::vector<Sample> samples, int short_side,
                           std::shared_ptr<std::atomic<std::ptrdiff_t>> budget)
    : samples_(std::move(samples)),
      excluded_(samples_.size(), false),
      short_side_(short_side),
      budget_(std::move(budget)),
      kept_(samples_.size()) {}

std::shared_ptr<const RgbPicture> PictureStore::get(std::size_t index) {
  const std::scoped_lock lock(locks_[index % locks_.size()]);
  if (kept_[index]) {
    return kept_[index];
  }
  RgbPicture picture = read_picture(samples_[index].path);
  if (short_side_ > 0) {
    picture = shrink(std::move(picture), short_side_);
  }
  auto result = std::make_shared<const RgbPicture>(std::move(picture));
  const auto size = static_cast<std::ptrdiff_t>(result->pixels.size());
  if (budget_->fetch_sub(size) >= size) {
    kept_[index] = result;
  } else {
    budget_->fetch_add(size);
  }
  return result;
}

std::vector<std::size_t> PictureStore::usable() const {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < excluded_.size(); ++i) {
    if (!excluded_[i]) {
      indices.push_back(i);
    }
  }
  return indices;
}

std::ptrdiff_t default_picture_budget() {
  constexpr std::ptrdiff_t kMost = std::ptrdiff_t{4} << 30;
  const long pages = sysconf(_SC_AVPHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? std::min(kMost, static_cast<std::ptrdiff_t>(pages) / 4 * page) : kMost / 8;
}

}  // namespace resnet
