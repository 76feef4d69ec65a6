#include "training/console.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "model/quote.h"

namespace resnet {

Console::Console(bool quiet) : quiet_(quiet), bars_(!quiet && isatty(STDERR_FILENO) != 0) {}

void Console::note(const std::string& line) {
  if (!quiet_) {
    print(line);
  }
}

void Console::warn(const std::string& line) { print("resnet: warning: " + printable(line)); }

void Console::draw(const std::string& line) {
  if (bars_) {
    std::fprintf(stderr, "\r%s\033[K", line.c_str());
    std::fflush(stderr);
    drawing_ = true;
  }
}

void Console::end_line() {
  if (drawing_) {
    std::fputc('\n', stderr);
    drawing_ = false;
  }
}

void Console::print(const std::string& line) {
  std::fprintf(stderr, "%s%s\n", drawing_ ? "\r\033[K" : "", line.c_str());
  drawing_ = false;
}

std::string printable(const std::string& text) { return without_controls(text, ' '); }

std::size_t text_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(width - std::min(width, text_width(text)), ' ');
  return right ? space + text : text + space;
}

}  // namespace resnet
