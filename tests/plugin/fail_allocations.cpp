#include "tests/plugin/fail_allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> left{0};
std::atomic<bool> failed{false};
}  // namespace

namespace resnet {

void fail_allocation(long number) {
  failed = false;
  left = number;
}

bool allocation_failed() { return failed; }

}  // namespace resnet

void* operator new(std::size_t size) {
  if (left.load(std::memory_order_relaxed) > 0 && left.fetch_sub(1) == 1) {
    failed = true;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
