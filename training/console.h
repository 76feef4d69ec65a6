#ifndef RESNET_TRAINING_CONSOLE_H
#define RESNET_TRAINING_CONSOLE_H

#include <cstddef>
#include <string>

namespace resnet {

/// Where the command talks to a person: everything here goes to stderr, results go to stdout.
class Console {
 public:
  /// @param quiet leaves out notes and bars; warnings stay
  explicit Console(bool quiet);

  /// Progress bars are drawn: stderr is a terminal and the user did not ask for quiet.
  bool bars() const { return bars_; }

  void note(const std::string& line);
  /// "resnet: warning: …"
  void warn(const std::string& line);

  /// Redraws the line at the bottom of the terminal; notes and warnings scroll above it.
  void draw(const std::string& line);
  /// Ends the line that draw() draws, leaving its last state on the screen.
  void end_line();

 private:
  void print(const std::string& line);

  bool quiet_;
  bool bars_;
  bool drawing_ = false;
};

/// `text` on one line and without control characters, so that a name from a file cannot steer the terminal.
std::string printable(const std::string& text);

/// Columns that a line of UTF-8 takes, where each character takes one.
std::size_t text_width(const std::string& text);

/// `text` filled with spaces to `width` columns: behind it, or before it to stand on the right.
std::string padded(const std::string& text, std::size_t width, bool right = false);

}  // namespace resnet

#endif
