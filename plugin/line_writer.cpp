#include "plugin/line_writer.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace resnet {
namespace {

/// write() whose SIGPIPE stays away from the process: the error says it as well.
ssize_t quiet_write(int fd, const char* data, std::size_t size) {
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t written = ::write(fd, data, size);
  const int error = errno;
  if (written < 0 && error == EPIPE && !was_pending) {
    const timespec now{};
    while (sigtimedwait(&pipe_signal, nullptr, &now) < 0 && errno == EINTR) {
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

}  // namespace

LineWriter::LineWriter() : poll_(gst_poll_new(TRUE)) {}

LineWriter::~LineWriter() {
  close();
  gst_poll_free(poll_);
}

int LineWriter::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  fd_ = fd;
  owned_ = true;
  return 0;
}

int LineWriter::close() {
  int error = 0;
  if (owned_ && ::close(fd_) != 0) error = errno;
  fd_ = -1;
  owned_ = false;
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
  return outcome;
}

void LineWriter::set_cancelled(bool cancelled) { gst_poll_set_flushing(poll_, cancelled); }

}  // namespace resnet
