#include "training/picture_cache.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "model/error.h"
#include "training/available_memory.h"

namespace resnet {
namespace {

/// Takes so much from what is left. @return what was left before; nothing: too little
std::optional<std::ptrdiff_t> take(std::atomic<std::ptrdiff_t>& left, std::size_t bytes) {
  const auto size = static_cast<std::ptrdiff_t>(bytes);
  const std::ptrdiff_t before = left.fetch_sub(size);
  if (before >= size) return before;
  left.fetch_add(size);
  return std::nullopt;
}

int make_file() {
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder == nullptr ? "/tmp" : folder) + "/resnet-pictures-XXXXXX";
  const int descriptor = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor < 0) {
    throw Error(ErrorCode::write, path + " cannot be made for --cache-disk-mb: " + std::strerror(errno));
  }
  unlink(path.c_str());
  return descriptor;
}

}  // namespace

PictureCache::PictureCache(std::ptrdiff_t memory_bytes, std::ptrdiff_t disk_bytes)
    : memory_left_(memory_bytes), disk_left_(disk_bytes), disk_bytes_(disk_bytes) {
  if (disk_bytes > 0) descriptor_ = make_file();
}

PictureCache::~PictureCache() {
  if (descriptor_ >= 0) close(descriptor_);
}

bool PictureCache::take_memory(std::size_t bytes) { return take(memory_left_, bytes).has_value(); }

std::optional<std::size_t> PictureCache::write(std::span<const std::uint8_t> bytes) {
  const std::optional<std::ptrdiff_t> left = take(disk_left_, bytes.size());
  if (!left) return std::nullopt;
  const auto offset = static_cast<std::size_t>(disk_bytes_ - *left);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;  // the picture's file is still there
    done += static_cast<std::size_t>(n);
  }
  return offset;
}

void PictureCache::read(std::size_t offset, std::span<std::uint8_t> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        pread(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      throw Error(ErrorCode::read,
                  std::string("the cache of pictures on disk cannot be read: ") +
                      (n < 0 ? std::strerror(errno) : "it is shorter than what was written"));
    }
    done += static_cast<std::size_t>(n);
  }
}

std::ptrdiff_t default_picture_budget() {
  constexpr std::ptrdiff_t kMost = std::ptrdiff_t{4} << 30;
  const std::optional<std::uint64_t> available = available_memory();
  return available ? static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(kMost, *available / 4)) : kMost / 8;
}

}  // namespace resnet
