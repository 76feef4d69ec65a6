#ifndef RESNET_MODEL_RECORDINGS_H
#define RESNET_MODEL_RECORDINGS_H

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace resnet {

/// Pictures of the recording that a batch of n runs on. Up to 8 its own: nothing is computed in vain where a
/// picture more or less counts. Beyond that a multiple of 8: at most 7 pictures in vain, and a batch size of
/// B has at most 8 + B/8 recordings, each of which takes memory and is slow to make.
constexpr int recorded_size(int n) { return n <= 8 ? n : (n + 7) / 8 * 8; }

/// What a device is to do for a batch, recorded once for each size that is met (a CUDA graph).
template <typename Recording>
class Recordings {
 public:
  using Record = std::function<std::unique_ptr<Recording>(int size)>;
  using Warn = std::function<void(const std::string& reason)>;

  /// @param record throws where it cannot  @param warn told once, should that happen
  Recordings(Record record, Warn warn) : record_(std::move(record)), warn_(std::move(warn)) {}

  /// The recording for n pictures. Null: there is none, nor will there be; work without.
  Recording* find(int n) {
    if (!usable_) return nullptr;
    std::unique_ptr<Recording>& recording = by_size_[recorded_size(n)];
    try {
      if (!recording) recording = record_(recorded_size(n));
    } catch (const std::exception& error) {
      usable_ = false;
      by_size_.clear();  // what memory they hold may be what was lacking
      warn_(error.what());
      return nullptr;
    }
    return recording.get();
  }

 private:
  Record record_;
  Warn warn_;
  std::map<int, std::unique_ptr<Recording>> by_size_;
  bool usable_ = true;
};

}  // namespace resnet

#endif
