#include "model/file_io.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <random>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/error.h"
#include "model/quote.h"

namespace resnet {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// Removes a file when it leaves scope, unless told otherwise.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  std::filesystem::path path_;
};

[[noreturn]] void fail_to_write(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorCode::write, "cannot write " + quote_path(path) + ": " + why);
}

/// Reads bytes begin…end−1 of a file.
void read_range(int descriptor, const FileBytes& to, std::size_t begin, std::size_t end,
                const std::string& name) {
  while (begin < end) {
    const std::size_t piece = std::min<std::size_t>(end - begin, std::size_t{1} << 30);
    const ssize_t got = ::pread(descriptor, to.data.get() + begin, piece, static_cast<off_t>(begin));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ErrorCode::read, "cannot read " + name + ": " + reason(errno));
    if (got == 0) throw Error(ErrorCode::read, name + " became shorter while it was read");
    begin += static_cast<std::size_t>(got);
  }
}

FileVersion to_version(const struct stat& status) {
  return {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec};
}

/// A name that nobody else uses, short enough wherever `path` itself fits.
std::filesystem::path temporary_name(const std::filesystem::path& folder) {
  static constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
  std::random_device random;
  std::string name = ".tmp-";
  for (int i = 0; i < 12; ++i) name += digits[random() % digits.size()];
  return folder / name;
}

}  // namespace

bool has_extension(const std::filesystem::path& path, const char* extension) {
  return g_ascii_strcasecmp(path.extension().c_str(), extension) == 0;
}

FileVersion version_of(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? to_version(status) : FileVersion{};
}

FileBytes read_file(const std::filesystem::path& path, std::uint64_t max_bytes, int threads) {
  const std::string name = quote_path(path);
  // Non-blocking: opening a FIFO without a writer would otherwise wait for ever.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) throw Error(ErrorCode::not_found, name + " does not exist");
    throw Error(ErrorCode::read, "cannot open " + name + ": " + reason(error));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw Error(ErrorCode::read, "cannot read " + name + ": " + reason(errno));
  }
  if (S_ISDIR(status.st_mode)) throw Error(ErrorCode::read, name + " is a folder, expected a file");
  if (!S_ISREG(status.st_mode)) throw Error(ErrorCode::read, name + " is not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) {
    throw Error(ErrorCode::format, name + " has " + std::to_string(size) + " bytes, more than the " +
                                       std::to_string(max_bytes) + " that a file of its kind may have");
  }

  FileBytes bytes;
  bytes.size = static_cast<std::size_t>(size);
  bytes.version = to_version(status);
  bytes.data = std::make_unique_for_overwrite<std::uint8_t[]>(std::max<std::size_t>(bytes.size, 1));
  // Two threads: with a large file in the page cache, most of the time goes to the first touch of new memory.
  const std::size_t half = threads < 2 || bytes.size < std::size_t{16} << 20 ? 0 : bytes.size / 2;
  std::future<void> first;
  if (half > 0) first = std::async(std::launch::async, [&] { read_range(file.get(), bytes, 0, half, name); });
  read_range(file.get(), bytes, half, bytes.size, name);
  if (half > 0) first.get();
  return bytes;
}

FileWriter::FileWriter(int descriptor, std::filesystem::path path)
    : descriptor_(descriptor), path_(std::move(path)) {}

void FileWriter::write(const void* data, std::size_t size) {
  constexpr std::size_t buffer_size = std::size_t{1} << 16;
  position_ += size;
  if (buffer_.size() + size > buffer_size) flush();
  if (size > buffer_size) {
    write_through(static_cast<const char*>(data), size);
  } else if (size > 0) {
    buffer_.append(static_cast<const char*>(data), size);
  }
}

void FileWriter::flush() {
  write_through(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void FileWriter::write_through(const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, data, std::min(size, std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_to_write(path_, reason(written < 0 ? errno : ENOSPC));
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(FileWriter&)>& writer) {
  std::error_code ignored;
  std::filesystem::path target = path;
  if (std::filesystem::is_symlink(path, ignored)) target = std::filesystem::weakly_canonical(path, ignored);
  struct stat status {};
  const bool exists = ::stat(target.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) fail_to_write(path, "it is a folder");
  if (exists && !S_ISREG(status.st_mode)) fail_to_write(path, "it is not a regular file");
  if (!target.has_filename()) fail_to_write(path, "it names no file");

  const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : ".";
  TemporaryFile temporary(temporary_name(folder));
  Descriptor file(::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    const int error = errno;
    fail_to_write(path,
                  error == ENOENT ? "the folder " + quote_path(folder) + " does not exist" : reason(error));
  }
  FileWriter out(file.get(), path);
  writer(out);
  out.flush();
  if (exists && ::fchmod(file.get(), status.st_mode & 07777) != 0) fail_to_write(path, reason(errno));
  if (::fsync(file.get()) != 0) fail_to_write(path, reason(errno));
  if (::close(file.release()) != 0) fail_to_write(path, reason(errno));
  if (::rename(temporary.path().c_str(), target.c_str()) != 0) fail_to_write(path, reason(errno));
  temporary.keep();

  // The rename itself lasts only when the folder is on disk; file systems that cannot do that are left alone.
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

}  // namespace resnet
