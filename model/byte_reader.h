#ifndef RESNET_MODEL_BYTE_READER_H
#define RESNET_MODEL_BYTE_READER_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "model/error.h"

namespace resnet {

/// Reads little-endian numbers and runs of bytes in order; never beyond the end.
class ByteReader {
 public:
  /// @param where begins every error: the quoted file name, and the part of it.
  ByteReader(std::span<const std::uint8_t> bytes, std::string where)
      : bytes_(bytes), where_(std::move(where)) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  const std::string& where() const { return where_; }

  /// @throws Error format when fewer are left
  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > left()) fail("is truncated: it ends in the middle of a value");
    const auto result = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += static_cast<std::size_t>(count);
    return result;
  }

  std::string_view take_text(std::uint64_t count) {
    const auto bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::uint8_t u8() { return take(1)[0]; }
  std::uint16_t u16() { return static_cast<std::uint16_t>(little_endian(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(little_endian(4)); }
  std::uint64_t u64() { return little_endian(8); }
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }

  /// @throws Error format "WHERE MESSAGE"
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::format, where_ + " " + message);
  }

 private:
  std::uint64_t little_endian(std::size_t count) {
    const auto bytes = take(count);
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
  }

  std::span<const std::uint8_t> bytes_;
  std::string where_;
  std::size_t position_ = 0;
};

}  // namespace resnet

#endif
