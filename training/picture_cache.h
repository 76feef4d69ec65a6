#ifndef RESNET_TRAINING_PICTURE_CACHE_H
#define RESNET_TRAINING_PICTURE_CACHE_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace resnet {

/// Room for decoded pictures: memory, and behind it a file on disk that nobody else sees and that is gone
/// with the process, however that ends. Threads may use it at the same time.
class PictureCache {
 public:
  /// @param memory_bytes may be taken by take_memory()
  /// @param disk_bytes of the file, which is in the folder that TMPDIR names, or in /tmp; 0: no file
  /// @throws Error write: the file cannot be made
  explicit PictureCache(std::ptrdiff_t memory_bytes, std::ptrdiff_t disk_bytes = 0);
  ~PictureCache();
  PictureCache(const PictureCache&) = delete;
  PictureCache& operator=(const PictureCache&) = delete;

  /// @return false: so much memory is not left
  bool take_memory(std::size_t bytes);
  /// Appends to the file. @return where; nothing: there is no room, also not where the disk is full
  std::optional<std::size_t> write(std::span<const std::uint8_t> bytes);
  /// What write() put there.
  /// @throws Error read
  void read(std::size_t offset, std::span<std::uint8_t> bytes) const;

 private:
  std::atomic<std::ptrdiff_t> memory_left_;
  std::atomic<std::ptrdiff_t> disk_left_;
  const std::ptrdiff_t disk_bytes_;
  int descriptor_ = -1;
};

/// A quarter of available_memory() now, at most 4 GiB.
std::ptrdiff_t default_picture_budget();

}  // namespace resnet

#endif
