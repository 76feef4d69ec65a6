#include "tests/plugin/fail_allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> left{0};
std::atomic<std::size_t> least{0};
std::atomic<bool> failed{false};
}  // namespace

namespace resnet {

void fail_allocation(long number, std::size_t at_least) {
  failed = false;
  least = at_least;
  left = number;
}

bool allocation_failed() { return failed; }

}  // namespace resnet

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (left.load(std::memory_order_relaxed) > 0 && size >= least && left.fetch_sub(1) == 1) {
    failed = true;
    return nullptr;
  }
  return std::malloc(size != 0 ? size : 1);
}
void* operator new(std::size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
