#ifndef RESNET_TRAINING_PICTURE_STORE_H
#define RESNET_TRAINING_PICTURE_STORE_H

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "training/image_folder.h"
#include "training/picture.h"

namespace resnet {

/// The pictures of a data set, each read when it is first needed and kept decoded as long as the budget
/// lasts; what does not fit is read again each time. Threads may ask for pictures at the same time.
class PictureStore {
 public:
  /// @param short_side pictures are scaled down to that short side when they are read; 0: kept as they are
  /// @param budget bytes of decoded pictures, shared by the stores that are given the same one
  PictureStore(std::vector<Sample> samples, int short_side,
               std::shared_ptr<std::atomic<std::ptrdiff_t>> budget);

  /// @throws Error as read_picture
  std::shared_ptr<const RgbPicture> get(std::size_t index);

  const std::vector<Sample>& samples() const { return samples_; }

  /// Leaves a picture that cannot be read out of usable().
  void exclude(std::size_t index) { excluded_[index] = true; }
  /// Indices of the pictures that were not excluded.
  std::vector<std::size_t> usable() const;

 private:
  std::vector<Sample> samples_;
  std::vector<bool> excluded_;
  int short_side_;
  std::shared_ptr<std::atomic<std::ptrdiff_t>> budget_;
  std::vector<std::shared_ptr<const RgbPicture>> kept_;  ///< each under its lock
  std::array<std::mutex, 64> locks_;                     ///< of the pictures with that number modulo 64
};

/// A quarter of the memory that is free now, at most 4 GiB.
std::ptrdiff_t default_picture_budget();

}  // namespace resnet

#endif
