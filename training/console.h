#ifndef RESNET_TRAINING_CONSOLE_H
#define RESNET_TRAINING_CONSOLE_H

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

}  // namespace resnet

#endif
