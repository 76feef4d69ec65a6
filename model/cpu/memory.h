#ifndef RESNET_MODEL_CPU_MEMORY_H
#define RESNET_MODEL_CPU_MEMORY_H

#include <cstddef>
#include <memory>
#include <vector>

namespace resnet::cpu {

struct FreeBytes {
  void operator()(std::byte* bytes) const;
};
/// Bytes at a multiple of 64, so that no line of weights or activations lies in two of the cache. From 1 MB
/// on they are in huge pages, where Linux gives these to who asks: processors look up their places less
/// often.
using Bytes = std::unique_ptr<std::byte[], FreeBytes>;
Bytes allocate(std::size_t size);

/// Pieces of memory that go together, at multiples of 64, in huge pages though each piece may be smaller.
class Memory {
 public:
  std::byte* take(std::size_t size);

 private:
  std::vector<Bytes> blocks_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;  // behind it
};

}  // namespace resnet::cpu

#endif
