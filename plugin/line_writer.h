#ifndef RESNET_PLUGIN_LINE_WRITER_H
#define RESNET_PLUGIN_LINE_WRITER_H

#include <cstdint>
#include <string>

#include <gst/gst.h>

namespace resnet {

/// Writes whole lines to a descriptor. A reader that is slow or gone neither blocks a state change nor kills
/// the process. For one thread, but for set_cancelled().
class LineWriter {
 public:
  enum class Outcome { done, cancelled, failed };

  /// When a file is full, it becomes "path.1", the one that was that "path.2", and so on.
  struct Rotation {
    std::uint64_t max_size = 0;  ///< bytes; 0 never rotates
    unsigned max_files = 0;      ///< with the one that is written to; the oldest goes; 0 keeps all
  };

  LineWriter();
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Creates the file. One that is there is emptied, or rotated away when it has a size and `rotation` one
  /// too. What is not a regular file (a FIFO, /dev/stdout) is never rotated.
  /// @return 0 or an errno
  int open(const std::string& path, const Rotation& rotation);
  /// Takes a descriptor that stays the caller's.
  void use(int fd) { fd_ = fd; }
  bool is_open() const { return fd_ >= 0; }
  /// @return 0 or an errno
  int close();

  /// To be called before write(): rotates when the line would make the file too large.
  /// @return 0, or the errno of a rotation that failed: nothing is lost, lines go on into the same file, and
  /// the next attempt follows after another max_size bytes
  int make_room(const std::string& line);

  /// What a failure leaves of the line in a file is taken back: it ends with a whole line.
  /// @param[out] error the errno of a failure
  Outcome write(const std::string& line, int& error);

  /// While true, a write that waits, or would, returns cancelled.
  void set_cancelled(bool cancelled);

 private:
  int open_new();
  int rotate();

  int fd_ = -1;
  bool owned_ = false;
  bool regular_ = false;  // an own file that can be cut and rotated
  std::string path_;
  Rotation rotation_;
  std::uint64_t size_ = 0;   // of the whole lines in it
  std::uint64_t limit_ = 0;  // size at which it is rotated
  GstPoll* poll_;
};

}  // namespace resnet

#endif
