// Mutated tar archives with sums that fit their headers, without which nothing behind the first is reached.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <span>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed);

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0) return size;
  constexpr std::size_t block = 512, sum_begin = 148, sum_size = 8;
  for (std::size_t at = 0; at + block <= size; at += block) {
    const std::span<std::uint8_t> header(data + at, block);
    // Where there was a sum: headers, and few blocks of data.
    if (header[sum_begin] != '0') continue;
    std::fill_n(header.begin() + sum_begin, sum_size, std::uint8_t{' '});
    std::array<char, sum_size> text{};
    std::snprintf(text.data(), text.size(), "%06o", std::accumulate(header.begin(), header.end(), 0U));
    std::copy(text.begin(), text.end(), header.begin() + sum_begin);
  }
  return size;
}
