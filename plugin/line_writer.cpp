#include "plugin/line_writer.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace resnet {
namespace {

/// write() whose signals stay away from the process: the errors EPIPE and EFBIG (a limit on the size of
/// files) say it as well.
ssize_t quiet_write(int fd, const char* data, std::size_t size) {
  sigset_t signals, before, pending;
  sigemptyset(&signals);
  sigpending(&pending);
  for (const int signal : {SIGPIPE, SIGXFSZ}) {
    if (sigismember(&pending, signal) == 0) sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals, &before);
  const ssize_t written = ::write(fd, data, size);
  const int error = errno;
  if (written < 0 && (error == EPIPE || error == EFBIG)) {
    const timespec now{};
    while (sigtimedwait(&signals, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

/// Regular files never wait, and some descriptors (/dev/full, epoll says EPERM) cannot be polled.
bool may_wait(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

std::string old_name(const std::string& path, unsigned number) {
  return number == 0 ? path : path + "." + std::to_string(number);
}

bool is_there(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0;
}

bool is_filled_file(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
}

/// Frees the name `path`, unless it is the only one: each file gets the next number, the oldest first, so
/// that a failure loses nothing.
int shift_files(const std::string& path, unsigned max_files) {
  if (max_files == 1) return 0;
  unsigned last = 0;
  while ((max_files == 0 || last + 2 < max_files) && is_there(old_name(path, last + 1))) ++last;
  for (unsigned number = last + 1; number-- > 0;) {
    if (std::rename(old_name(path, number).c_str(), old_name(path, number + 1).c_str()) != 0) return errno;
  }
  return 0;
}

}  // namespace

LineWriter::LineWriter() : poll_(gst_poll_new(TRUE)) {}

LineWriter::~LineWriter() {
  close();
  gst_poll_free(poll_);
}

int LineWriter::open(const std::string& path, const Rotation& rotation) {
  path_ = path;
  rotation_ = rotation;
  if (rotation.max_size > 0 && is_filled_file(path)) {
    if (const int error = shift_files(path, rotation.max_files)) return error;
  }
  return open_new();
}

int LineWriter::open_new() {
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  struct stat status {};
  regular_ = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  fd_ = fd;
  owned_ = true;
  size_ = 0;
  limit_ = rotation_.max_size;
  return 0;
}

int LineWriter::rotate() {
  if (const int error = shift_files(path_, rotation_.max_files)) return error;
  const int full = fd_;
  if (const int error = open_new()) {
    if (rotation_.max_files != 1) std::rename(old_name(path_, 1).c_str(), path_.c_str());
    return error;
  }
  return ::close(full) == 0 ? 0 : errno;
}

int LineWriter::make_room(const std::string& line) {
  if (!regular_ || rotation_.max_size == 0 || size_ == 0 || size_ + line.size() <= limit_) return 0;
  const int error = rotate();
  if (error != 0) limit_ = size_ + rotation_.max_size;
  return error;
}

int LineWriter::close() {
  int error = 0;
  if (owned_ && ::close(fd_) != 0) error = errno;
  fd_ = -1;
  owned_ = regular_ = false;
  return error;
}

LineWriter::Outcome LineWriter::write(const std::string& line, int& error) {
  const bool waits = may_wait(fd_);
  GstPollFD poll_fd = GST_POLL_FD_INIT;
  poll_fd.fd = fd_;
  if (waits) {
    gst_poll_add_fd(poll_, &poll_fd);
    gst_poll_fd_ctl_write(poll_, &poll_fd, TRUE);
  }
  Outcome outcome = Outcome::done;
  std::size_t done = 0;
  while (done < line.size() && outcome == Outcome::done) {
    if (waits && gst_poll_wait(poll_, GST_CLOCK_TIME_NONE) < 0 && errno != EINTR && errno != EAGAIN) {
      error = errno;
      outcome = error == EBUSY ? Outcome::cancelled : Outcome::failed;
      break;
    }
    // A pipe that polls writable takes PIPE_BUF bytes at once: a longer write could wait where nothing wakes
    // it.
    const std::size_t size = waits ? std::min<std::size_t>(line.size() - done, PIPE_BUF) : line.size() - done;
    const ssize_t written = quiet_write(fd_, line.data() + done, size);
    if (written >= 0) {
      done += static_cast<std::size_t>(written);
    } else if (errno != EINTR && errno != EAGAIN) {
      error = errno;
      outcome = Outcome::failed;
    }
  }
  if (waits) gst_poll_remove_fd(poll_, &poll_fd);
  if (!regular_) return outcome;
  if (outcome == Outcome::done) {
    size_ += line.size();
  } else if (done > 0 && ftruncate(fd_, static_cast<off_t>(size_)) == 0) {
    lseek(fd_, 0, SEEK_END);
  }
  return outcome;
}

void LineWriter::set_cancelled(bool cancelled) { gst_poll_set_flushing(poll_, cancelled); }

}  // namespace resnet
