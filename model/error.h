#ifndef RESNET_MODEL_ERROR_H
#define RESNET_MODEL_ERROR_H

#include <stdexcept>
#include <string>

namespace resnet {

/// What kind of failure an Error is; the plugin maps each to one of GStreamer's error domains.
enum class ErrorCode {
  not_found,    ///< a file or folder is not there
  read,         ///< a file is there and cannot be read (permission, not a regular file, I/O error)
  write,        ///< a file cannot be written
  format,       ///< the bytes are not what they claim to be: truncated, corrupt, hostile
  mismatch,     ///< each part is well-formed, but they do not fit: shapes, class counts, architectures
  unsupported,  ///< well-formed, and not something this build or machine can do
  device,       ///< the CPU or GPU failed: out of memory, no driver
};

/// The one exception type of the project. `what()` is a sentence that names the file, tensor or
/// option, what is wrong with it and what was expected.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace resnet

#endif
