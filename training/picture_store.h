#ifndef RESNET_TRAINING_PICTURE_STORE_H
#define RESNET_TRAINING_PICTURE_STORE_H

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "training/image_folder.h"
#include "training/picture.h"
#include "training/picture_cache.h"

namespace resnet {

/// The pictures of a data set, each read when it is first needed and kept decoded as long as the cache has
/// room; what does not fit is read again each time. Threads may ask for pictures at the same time.
class PictureStore {
 public:
  /// @param short_side pictures are scaled down to that short side when they are read; 0: kept as they are
  /// @param scaled_jpeg JPEGs that are much larger are decoded at a part of their size
  /// @param cache may be shared by stores
  PictureStore(std::vector<Sample> samples, int short_side, bool scaled_jpeg,
               std::shared_ptr<PictureCache> cache);

  /// @throws Error as read_picture
  std::shared_ptr<const RgbPicture> get(std::size_t index);

  const std::vector<Sample>& samples() const { return samples_; }

  /// Leaves a picture that cannot be read out of usable().
  void exclude(std::size_t index) { excluded_[index] = true; }
  /// Indices of the pictures that were not excluded.
  std::vector<std::size_t> usable() const;

 private:
  /// Where a decoded picture is: in memory, on disk, or nowhere.
  struct Kept {
    std::shared_ptr<const RgbPicture> picture;
    int width = 0, height = 0;  ///< of the one on disk; 0: none
    std::size_t offset = 0;
  };

  RgbPicture read(std::size_t index) const;
  void keep(Kept& kept, const std::shared_ptr<const RgbPicture>& picture);

  std::vector<Sample> samples_;
  std::vector<bool> excluded_;
  int short_side_;
  bool scaled_jpeg_;
  std::shared_ptr<PictureCache> cache_;
  std::vector<Kept> kept_;            ///< each under its lock
  std::array<std::mutex, 64> locks_;  ///< of the pictures with that number modulo 64
};

/// A SHA-256 of the names and classes of the pictures, in hexadecimal digits.
std::string digest(const PictureStore& store);

}  // namespace resnet

#endif
