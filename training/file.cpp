#include "training/file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/error.h"

namespace resnet {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool close() {
    const int fd = fd_;
    fd_ = -1;
    return fd < 0 || ::close(fd) == 0;
  }

 private:
  int fd_;
};

std::string reason() { return std::strerror(errno); }

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  return path.string() + ".tmp" + std::to_string(getpid());
}

}  // namespace

void replace_file(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path temporary = temporary_name(path);
  const auto fail = [&] {
    const std::string why = reason();
    ::unlink(temporary.c_str());
    throw Error(ErrorCode::write, path.string() + " cannot be written: " + why);
  };
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    fail();
  }
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno != EINTR) {
      fail();
    }
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  if (fsync(file.get()) != 0 || !file.close() || ::rename(temporary.c_str(), path.c_str()) != 0) {
    fail();
  }
}

void check_writable(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw Error(ErrorCode::write, path.string() + " is a folder; expected the name of a file to write");
  }
  if (path.has_parent_path()) {
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      throw Error(ErrorCode::write, "the folder of " + path.string() + " cannot be made: " + error.message());
    }
  }
  const std::filesystem::path temporary = temporary_name(path);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) {
    throw Error(ErrorCode::write, path.string() + " cannot be written: " + reason());
  }
  ::unlink(temporary.c_str());
}

}  // namespace resnet
