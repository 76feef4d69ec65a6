// Mutated files of safetensors whose header has the length that they state, without which little else is
// reached.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed);

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed) {
  constexpr std::size_t length_size = 8;
  std::uint64_t header = 0;
  if (seed % 8 == 0 || size <= length_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(&header, data, length_size);
  if (header > size - length_size) return LLVMFuzzerMutate(data, size, max_size);
  // Either the header, with the tensors' bytes moved behind it, or those bytes.
  const std::size_t begin = seed % 4 == 1 ? length_size + header : length_size;
  const std::size_t end = seed % 4 == 1 ? size : length_size + header;
  const std::size_t behind = size - end;
  if (max_size < size || begin == end) return LLVMFuzzerMutate(data, size, max_size);
  // LLVMFuzzerMutate may write all of the room that it is given.
  static thread_local std::uint8_t saved[std::size_t{1} << 20];
  if (behind > sizeof saved) return size;
  std::memcpy(saved, data + end, behind);
  const std::size_t part = LLVMFuzzerMutate(data + begin, end - begin, max_size - begin - behind);
  std::memcpy(data + begin + part, saved, behind);
  if (begin == length_size) {
    header = part;
    std::memcpy(data, &header, length_size);
  }
  return begin + part + behind;
}
