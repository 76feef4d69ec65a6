#include "training/picture_store.h"

#include <glib.h>

namespace resnet {

PictureStore::PictureStore(std::vector<Sample> samples, int short_side, bool scaled_jpeg,
                           std::shared_ptr<PictureCache> cache)
    : samples_(std::move(samples)),
      excluded_(samples_.size(), false),
      short_side_(short_side),
      scaled_jpeg_(scaled_jpeg),
      cache_(std::move(cache)),
      kept_(samples_.size()) {}

std::shared_ptr<const RgbPicture> PictureStore::get(std::size_t index) {
  const std::scoped_lock lock(locks_[index % locks_.size()]);
  Kept& kept = kept_[index];
  if (kept.picture) return kept.picture;
  if (kept.width > 0) {
    RgbPicture picture{kept.width, kept.height, {}};
    picture.pixels.resize(static_cast<std::size_t>(kept.width) * static_cast<std::size_t>(kept.height) * 3);
    cache_->read(kept.offset, picture.pixels);
    return std::make_shared<const RgbPicture>(std::move(picture));
  }
  auto picture = std::make_shared<const RgbPicture>(read(index));
  keep(kept, picture);
  return picture;
}

RgbPicture PictureStore::read(std::size_t index) const {
  RgbPicture picture = read_picture(samples_[index].path, scaled_jpeg_ ? short_side_ : 0);
  return short_side_ > 0 ? shrink(std::move(picture), short_side_) : picture;
}

void PictureStore::keep(Kept& kept, const std::shared_ptr<const RgbPicture>& picture) {
  if (cache_->take_memory(picture->pixels.size())) {
    kept.picture = picture;
  } else if (const auto offset = cache_->write(picture->pixels)) {
    kept = {nullptr, picture->width, picture->height, *offset};
  }
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

std::string digest(const PictureStore& store) {
  std::string all;
  for (const Sample& sample : store.samples())
    all += sample.path.filename().string() + '/' + std::to_string(sample.label) + '\n';
  const std::unique_ptr<char, decltype(&g_free)> text(
      g_compute_checksum_for_data(G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(all.data()), all.size()),
      g_free);
  return text.get();
}

}  // namespace resnet
