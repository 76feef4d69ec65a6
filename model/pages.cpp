#include "model/pages.h"

#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace resnet {

namespace {

// For the whole pages in it.
[[maybe_unused]] void advise(void* memory, std::size_t size, int advice) {
  static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = (begin + page - 1) / page * page, last = (begin + size) / page * page;
  if (first < last) ::madvise(static_cast<std::byte*>(memory) + (first - begin), last - first, advice);
}

}  // namespace

void use_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t size) {
#ifdef MADV_HUGEPAGE
  constexpr std::size_t least = std::size_t{2} << 20;  // of the most common ones
  if (size >= least) advise(memory, size, MADV_HUGEPAGE);
#endif
}

void drop_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t size) {
#ifdef MADV_DONTNEED
  advise(memory, size, MADV_DONTNEED);
#endif
}

}  // namespace resnet
