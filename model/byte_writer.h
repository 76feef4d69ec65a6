#ifndef RESNET_MODEL_BYTE_WRITER_H
#define RESNET_MODEL_BYTE_WRITER_H

#include <cstdint>
#include <string>

namespace resnet {

/// Appends the `bytes` low bytes of a number, the lowest first.
inline void append_little_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
}

}  // namespace resnet

#endif
