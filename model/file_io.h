#ifndef RESNET_MODEL_FILE_IO_H
#define RESNET_MODEL_FILE_IO_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace resnet {

/// Which file, and which version of it: another has one of these otherwise.
struct FileVersion {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t seconds = 0, nanoseconds = 0;  ///< of the last modification

  auto operator<=>(const FileVersion&) const = default;
};

/// Zeros for what cannot be looked at.
FileVersion version_of(const std::filesystem::path& path);

/// The bytes of a file, read once.
struct FileBytes {
  std::unique_ptr<std::uint8_t[]> data;
  std::size_t size = 0;
  FileVersion version{};

  std::span<const std::uint8_t> span() const { return {data.get(), size}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data.get()), size}; }
};

/// Whether a path ends with an extension like ".onnx", in upper or lower case.
bool has_extension(const std::filesystem::path& path, const char* extension);

/// Reads a regular file (or a link to one) with pread; it is never mapped, so that a file which shrinks
/// meanwhile is an error and no crash.
/// @param max_bytes what a file of its kind may have at most; checked before memory is allocated
/// @param threads at most, for a large file
/// @throws Error not_found, read; format for a file that is too large
FileBytes read_file(const std::filesystem::path& path, std::uint64_t max_bytes, int threads = 2);

/// Of a model file: the largest ResNet with its optimizer's state has 1.1 GB.
constexpr std::uint64_t max_model_bytes = std::uint64_t{8} << 30;

/// The file that write_file_atomically is writing.
class FileWriter {
 public:
  FileWriter(int descriptor, std::filesystem::path path);

  /// @throws Error write
  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Bytes written so far.
  std::uint64_t position() const { return position_; }

 private:
  friend void write_file_atomically(const std::filesystem::path&, const std::function<void(FileWriter&)>&);
  void flush();
  void write_through(const char* data, std::size_t size);

  int descriptor_;
  std::filesystem::path path_;
  std::string buffer_;
  std::uint64_t position_ = 0;
};

/// Calls `writer` with a temporary file in the folder of `path`, then fsyncs it, renames it to `path` and
/// fsyncs the folder: whatever happens, `path` holds its old bytes or the new ones. A link is followed; what
/// exists must be a regular file, whose permissions are kept.
/// @throws Error write, and what `writer` throws; the temporary file is then gone
void write_file_atomically(const std::filesystem::path& path, const std::function<void(FileWriter&)>& writer);

}  // namespace resnet

#endif
