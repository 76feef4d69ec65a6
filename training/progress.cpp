#include "training/progress.h"

#include <algorithm>

#include "training/format.h"

namespace resnet {
namespace {

constexpr std::size_t kCells = 20;
constexpr std::chrono::milliseconds kRedrawEvery{100};

std::string clock_text(double seconds) {
  const auto whole = static_cast<long>(std::clamp(seconds, 0.0, 359999.0));
  return whole >= 3600 ? format("%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60)
                       : format("%02ld:%02ld", whole / 60, whole % 60);
}

}  // namespace

std::string bar_text(const std::string& title, std::size_t done, std::size_t total, double seconds) {
  const double part = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const std::string left =
      rate > 0 ? clock_text(static_cast<double>(total - std::min(done, total)) / rate) : std::string("?");
  const auto filled = std::min(kCells, static_cast<std::size_t>(part * static_cast<double>(kCells)));
  return title + format(": %3.0f%%|", part * 100) + std::string(filled, '#') +
         std::string(kCells - filled, ' ') +
         format("| %zu/%zu [%s<%s, %.1f pictures/s]", done, total, clock_text(seconds).c_str(), left.c_str(),
                rate);
}

ProgressBar::ProgressBar(Console& console, std::string title, std::size_t total)
    : console_(console), title_(std::move(title)), total_(total), start_(std::chrono::steady_clock::now()) {
  draw();
}

ProgressBar::~ProgressBar() {
  draw();
  console_.end_line();
}

void ProgressBar::advance(std::size_t pictures) {
  done_ = std::min(total_, done_ + pictures);
  if (std::chrono::steady_clock::now() - drawn_ >= kRedrawEvery) {
    draw();
  }
}

void ProgressBar::draw() {
  drawn_ = std::chrono::steady_clock::now();
  if (console_.bars()) {
    console_.draw(bar_text(title_, done_, total_, std::chrono::duration<double>(drawn_ - start_).count()));
  }
}

}  // namespace resnet
