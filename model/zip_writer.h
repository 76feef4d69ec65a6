#ifndef RESNET_MODEL_ZIP_WRITER_H
#define RESNET_MODEL_ZIP_WRITER_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/file_io.h"

namespace resnet {

/// Writes a zip archive as torch.save does: STORED entries whose data begin at multiples of 64 bytes.
/// Archives of 4 GiB and more are refused: no ResNet comes near.
class ZipWriter {
 public:
  /// @param where the quoted file name, for errors.
  ZipWriter(FileWriter& out, std::string where) : out_(out), where_(std::move(where)) {}

  /// @throws Error write
  void add(const std::string& name, const void* data, std::size_t size);
  void add(const std::string& name, std::string_view text) { add(name, text.data(), text.size()); }
  /// Writes the directory; call once, last.
  void finish();

 private:
  struct Record {
    std::string name;
    std::uint32_t crc, size, offset;
  };
  std::uint32_t checked(std::uint64_t value) const;

  FileWriter& out_;
  std::string where_;
  std::vector<Record> records_;
};

}  // namespace resnet

#endif
