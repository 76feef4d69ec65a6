#ifndef RESNET_MODEL_LINE_VECTOR_H
#define RESNET_MODEL_LINE_VECTOR_H

#include <cstddef>
#include <new>
#include <vector>

namespace resnet {

/// Allocates at multiples of 64 bytes, so that no vector register's worth lies in two lines of the cache.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t alignment{64};

  LineAllocator() = default;
  template <typename Other>
  LineAllocator(const LineAllocator<Other>&) {}

  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), alignment)); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, alignment); }
  bool operator==(const LineAllocator&) const = default;
};

template <typename T>
using LineVector = std::vector<T, LineAllocator<T>>;

}  // namespace resnet

#endif
