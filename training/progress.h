#ifndef RESNET_TRAINING_PROGRESS_H
#define RESNET_TRAINING_PROGRESS_H

#include <chrono>
#include <cstddef>
#include <string>

#include "training/console.h"

namespace resnet {

/// A bar such as `train epoch[1/30] loss:1.234:  45%|####    | 1320/2936 [00:21<00:26, 61.3 pictures/s]`.
/// Draws nothing where there is no terminal.
class ProgressBar {
 public:
  ProgressBar(Console& console, std::string title, std::size_t total);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void set_title(std::string title) { title_ = std::move(title); }
  void advance(std::size_t pictures);

 private:
  void draw();

  Console& console_;
  std::string title_;
  std::size_t total_;
  std::size_t done_ = 0;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_;
};

/// The text of such a bar `seconds` after its start.
std::string bar_text(const std::string& title, std::size_t done, std::size_t total, double seconds);

}  // namespace resnet

#endif
