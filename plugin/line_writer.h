#ifndef RESNET_PLUGIN_LINE_WRITER_H
#define RESNET_PLUGIN_LINE_WRITER_H

#include <string>

#include <gst/gst.h>

namespace resnet {

/// Writes whole lines to a descriptor. A reader that is slow or gone neither blocks a state change nor kills
/// the process. write() is for one thread, unblock() for any.
class LineWriter {
 public:
  enum class Outcome { done, cancelled, failed };

  LineWriter();
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Creates the file, or empties the one that is there. @return 0 or an errno
  int open(const std::string& path);
  /// Takes a descriptor that stays the caller's.
  void use(int fd) { fd_ = fd; }
  bool is_open() const { return fd_ >= 0; }
  /// @return 0 or an errno
  int close();

  /// @param[out] error the errno of a failure
  Outcome write(const std::string& line, int& error);

  /// While true, a write that waits, or would, returns cancelled.
  void set_cancelled(bool cancelled);

 private:
  int fd_ = -1;
  bool owned_ = false;
  GstPoll* poll_;
};

}  // namespace resnet

#endif
