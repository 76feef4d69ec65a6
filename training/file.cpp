#include "training/file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "model/error.h"

namespace resnet {

void check_writable(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw Error(ErrorCode::write, path.string() + " is a folder; expected the name of a file to write");
  }
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::write, "the folder of " + path.string() + " cannot be made: " + error.message());
  }
  // Only writing tells: root may where the permissions say no, and a full or read-only disk says nothing.
  std::string trial = (folder / ".tmp-XXXXXX").string();
  const int file = ::mkostemp(trial.data(), O_CLOEXEC);
  if (file < 0) {
    throw Error(ErrorCode::write, path.string() + " cannot be written: " + std::strerror(errno));
  }
  ::close(file);
  ::unlink(trial.c_str());
}

}  // namespace resnet
