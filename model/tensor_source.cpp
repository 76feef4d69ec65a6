#include "model/tensor_source.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/error.h"
#include "model/quote.h"

namespace resnet {
namespace {

static_assert(std::endian::native == std::endian::little,
              "checkpoints are read and written on little-endian machines only");

constexpr std::size_t max_dimensions = 16;
/// Small tensors are copied: they outlive the large ones in a network, and would keep the file's memory.
constexpr std::size_t least_adopted = std::size_t{64} << 10;
/// Views of shared or expanded storages may take this much more than the file has.
constexpr std::uint64_t expansion = 4, expansion_slack = std::uint64_t{16} << 20;

bool is_contiguous(const TensorSource& source) {
  std::int64_t expected = 1;
  for (std::size_t i = source.sizes.size(); i-- > 0;) {
    if (source.sizes[i] != 1 && source.strides[i] != expected) return false;
    expected *= source.sizes[i];
  }
  return true;
}

/// Copies element by element in the order of the last index fastest. Every index was checked before.
void copy_strided(const TensorSource& source, const std::uint8_t* from, std::uint8_t* to, std::size_t item,
                  std::int64_t count) {
  std::vector<std::int64_t> index(source.sizes.size(), 0);
  std::int64_t position = 0;
  for (std::int64_t i = 0; i < count; ++i, to += item) {
    std::memcpy(to, from + static_cast<std::size_t>(position) * item, item);
    for (std::size_t d = index.size(); d-- > 0;) {
      position += source.strides[d];
      if (++index[d] < source.sizes[d]) break;
      position -= source.strides[d] * source.sizes[d];
      index[d] = 0;
    }
  }
}

/// Gives back the whole pages of memory that is not used any more, before the allocation is freed of which it
/// is a part.
void drop_pages(void* memory, std::size_t size) {
  static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t first = (begin + page - 1) / page * page, last = (begin + size) / page * page;
  if (first < last) ::madvise(static_cast<std::byte*>(memory) + (first - begin), last - first, MADV_DONTNEED);
}

/// A part of the file that a tensor has for its memory.
struct Adopted {
  std::shared_ptr<const FileBytes> file;
  void* memory;
  std::size_t size;

  static void give_back(void* context) {
    const std::unique_ptr<Adopted> adopted(static_cast<Adopted*>(context));
    drop_pages(adopted->memory, adopted->size);
  }
};

void swap_bytes(std::uint8_t* data, std::size_t size, std::size_t unit) {
  for (std::size_t i = 0; i + unit <= size; i += unit) std::reverse(data + i, data + i + unit);
}

}  // namespace

std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<std::vector<std::int64_t>> contiguous_strides(at::IntArrayRef sizes) {
  std::vector<std::int64_t> strides(sizes.size());
  std::optional<std::int64_t> stride = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    if (!stride) return std::nullopt;
    strides[i] = *stride;
    stride = checked_multiply(*stride, std::max<std::int64_t>(sizes[i], 1));
  }
  return strides;
}

TensorBuilder::TensorBuilder(std::shared_ptr<const FileBytes> file, std::string where)
    : file_(std::move(file)),
      where_(std::move(where)),
      bytes_left_(expansion * file_->size + expansion_slack) {}

void TensorBuilder::fail(const std::string& name, const std::string& message) const {
  throw Error(ErrorCode::format, where_ + " has a damaged tensor " + quote(name) + ": " + message);
}

/// @return the number of elements
std::int64_t TensorBuilder::check(const std::string& name, const TensorSource& source) {
  const std::size_t item = c10::elementSize(source.type);
  if (source.sizes.size() > max_dimensions) fail(name, "it has more than 16 dimensions");
  if (source.sizes.size() != source.strides.size()) fail(name, "it has more sizes than strides, or fewer");
  if (source.offset < 0) fail(name, "its offset is negative");
  std::int64_t count = 1;
  std::int64_t last = source.offset;
  const bool empty = std::find(source.sizes.begin(), source.sizes.end(), 0) != source.sizes.end();
  for (std::size_t i = 0; i < source.sizes.size(); ++i) {
    if (source.sizes[i] < 0 || source.strides[i] < 0) fail(name, "a size or a stride is negative");
    const auto next = checked_multiply(count, std::max<std::int64_t>(source.sizes[i], 1));
    const auto span = checked_multiply(std::max<std::int64_t>(source.sizes[i] - 1, 0), source.strides[i]);
    if (!next || !span || __builtin_add_overflow(last, *span, &last)) fail(name, "its shape overflows");
    count = *next;
  }
  const auto elements = static_cast<std::int64_t>(source.storage.size() / item);
  if (empty ? source.offset > elements : last >= elements)
    fail(name, "it reaches behind the end of its storage");
  if (empty) return 0;
  const auto bytes = checked_multiply(count, static_cast<std::int64_t>(item));
  if (!bytes || static_cast<std::uint64_t>(*bytes) > bytes_left_) {
    fail(name, "its shape asks for far more memory than the file has bytes");
  }
  bytes_left_ -= static_cast<std::uint64_t>(*bytes);
  return count;
}

bool TensorBuilder::can_adopt(const TensorSource& source, std::size_t size) const {
  return source.disjoint && size >= least_adopted && size == source.storage.size() && is_contiguous(source) &&
         !source.big_endian && source.type != at::ScalarType::Bool &&
         !adopted_.contains(source.storage.data()) &&
         reinterpret_cast<std::uintptr_t>(source.storage.data()) % c10::elementSize(source.type) == 0;
}

at::Tensor TensorBuilder::adopt(const TensorSource& source) {
  adopted_.insert(source.storage.data());
  const std::size_t size = source.storage.size();
  std::uint8_t* bytes = file_->data.get() + (source.storage.data() - file_->data.get());
  // By a context: LibTorch takes memory for a deleter of another type, and ends the program where there is
  // none.
  auto adopted = std::make_unique<Adopted>(Adopted{file_, bytes, size});
  return at::for_blob(bytes, source.sizes)
      .options(at::TensorOptions().dtype(source.type).device(at::kCPU))
      .context(adopted.release(), Adopted::give_back)
      .make_tensor();
}

at::Tensor TensorBuilder::build(const std::string& name, const TensorSource& source) {
  const std::int64_t count = check(name, source);
  if (can_adopt(source, static_cast<std::size_t>(count) * c10::elementSize(source.type)))
    return adopt(source);
  at::Tensor tensor = at::empty(source.sizes, at::TensorOptions().dtype(source.type).device(at::kCPU));
  if (count == 0) return tensor;
  const std::size_t item = c10::elementSize(source.type);
  const std::size_t size = static_cast<std::size_t>(count) * item;
  auto* to = static_cast<std::uint8_t*>(tensor.mutable_data_ptr());
  const std::uint8_t* from = source.storage.data() + static_cast<std::size_t>(source.offset) * item;
  if (is_contiguous(source)) {
    std::memcpy(to, from, size);
  } else {
    copy_strided(source, from, to, item, count);
  }
  if (source.big_endian) swap_bytes(to, size, c10::isComplexType(source.type) ? item / 2 : item);
  if (source.type == at::ScalarType::Bool) {
    // Any other byte in a bool is undefined behaviour later on.
    std::transform(to, to + size, to, [](std::uint8_t byte) { return static_cast<std::uint8_t>(byte != 0); });
  }
  return tensor;
}

}  // namespace resnet
