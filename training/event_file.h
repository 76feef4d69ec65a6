#ifndef RESNET_TRAINING_EVENT_FILE_H
#define RESNET_TRAINING_EVENT_FILE_H

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace resnet {

/// A TensorBoard event file of scalars: a TFRecord file (tensorflow.org, "TFRecord and tf.train.Example") of
/// `Event` protocol buffers (tensorflow/core/util/event.proto, framework/summary.proto).
///
/// The messages are encoded here, not by libprotobuf: six fields of four kinds take twenty lines, fewer than
/// a .proto file, its generator in the build and one more library in every installation.
class EventFile {
 public:
  /// Makes `folder` and the one that it is in, where they are missing, and a new file
  /// "events.out.tfevents.<seconds>.<host>.<process>.<n>" in it. TensorBoard reads all of a folder's files as
  /// one run, so that a resumed training goes on in a file of its own.
  /// @throws Error write
  explicit EventFile(const std::filesystem::path& folder);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Appends a value; it is in the file, whole, when this returns.
  /// @param tag its curve, such as "accuracy/val"
  /// @param wall_time seconds since 1970
  /// @throws Error write
  void add_scalar(std::string_view tag, std::int64_t step, double wall_time, float value);
  /// The same, now.
  void add_scalar(std::string_view tag, std::int64_t step, float value);

 private:
  void append(const std::string& event);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// CRC-32C of RFC 3720 (Castagnoli's polynomial), that TFRecord uses.
std::uint32_t crc32c(std::string_view bytes);

/// One record of a TFRecord file: length, masked CRC of the length, data, masked CRC of the data.
std::string tfrecord(std::string_view data);

}  // namespace resnet

#endif
