#ifndef RESNET_MODEL_TENSOR_SOURCE_H
#define RESNET_MODEL_TENSOR_SOURCE_H

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/file_io.h"

namespace resnet {

/// A tensor of a file before it is taken out: untrusted numbers over bytes that are there.
struct TensorSource {
  at::ScalarType type = at::ScalarType::Float;
  std::span<const std::uint8_t> storage;
  bool disjoint = false;  ///< no other storage has bytes of this one
  bool big_endian = false;
  std::int64_t offset = 0;  ///< in elements, as are the strides
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
};

/// a·b, or nothing when that is negative or too large.
std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b);

/// The strides of a tensor whose last index runs fastest without gaps, or nothing when one is too large.
std::optional<std::vector<std::int64_t>> contiguous_strides(at::IntArrayRef sizes);

/// Takes tensors out of a file and caps what all of them together may take, so that views of a few bytes
/// cannot claim terabytes.
class TensorBuilder {
 public:
  /// @param where the quoted file name, for errors
  TensorBuilder(std::shared_ptr<const FileBytes> file, std::string where);

  /// A contiguous tensor in host byte order whose memory is no other tensor's: a copy, or where that makes no
  /// difference but the time that it takes, the file's own bytes, whose memory is freed with the tensor.
  /// @throws Error format naming the tensor: negative or overflowing numbers, elements outside the storage
  at::Tensor build(const std::string& name, const TensorSource& source);

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& message) const;
  std::int64_t check(const std::string& name, const TensorSource& source);
  bool can_adopt(const TensorSource& source, std::size_t size) const;
  at::Tensor adopt(const TensorSource& source);

  std::shared_ptr<const FileBytes> file_;
  std::unordered_set<const std::uint8_t*> adopted_;  // storages
  std::string where_;
  std::uint64_t bytes_left_;
};

}  // namespace resnet

#endif
