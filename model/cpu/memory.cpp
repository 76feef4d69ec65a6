#include "model/cpu/memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "model/cpu/kernels.h"

namespace resnet::cpu {

namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

// What is taken of a block's end is never touched, and costs nothing. A sanitizer shall see where pieces end.
#ifdef RESNET_SANITIZED
constexpr std::size_t block_bytes = 0;
#else
constexpr std::size_t block_bytes = 16 * huge_page;
#endif

std::size_t whole(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

}  // namespace

void FreeBytes::operator()(std::byte* bytes) const { std::free(bytes); }

Bytes allocate(std::size_t size) {
  const std::size_t alignment = size >= huge_page / 2 ? huge_page : line_bytes;
  const std::size_t bytes = whole(std::max(size, std::size_t{1}), alignment);
  Bytes memory(static_cast<std::byte*>(std::aligned_alloc(alignment, bytes)));
  if (!memory) throw std::bad_alloc();
#ifdef __linux__
  if (alignment == huge_page) ::madvise(memory.get(), bytes, MADV_HUGEPAGE);  // refused, it is as it was
#endif
  return memory;
}

std::byte* Memory::take(std::size_t size) {
  size = whole(size, line_bytes);
  if (size > left_) {
    const std::size_t bytes = std::max(size, block_bytes);
    blocks_.push_back(allocate(bytes));
    next_ = blocks_.back().get();
    left_ = bytes;
  }
  left_ -= size;
  return std::exchange(next_, next_ + size);
}

}  // namespace resnet::cpu
