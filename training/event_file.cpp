#include "training/event_file.h"

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "model/byte_writer.h"
#include "model/error.h"

namespace resnet {
namespace {

// Protocol buffers: a field is its number and kind, then the value.
enum class WireKind : std::uint8_t { varint = 0, eight_bytes = 1, bytes = 2, four_bytes = 5 };

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void append_key(std::string& out, int field, WireKind kind) {
  append_varint(out, static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(kind));
}

void append_double(std::string& out, int field, double value) {
  append_key(out, field, WireKind::eight_bytes);
  append_little_endian(out, std::bit_cast<std::uint64_t>(value), 8);
}

void append_float(std::string& out, int field, float value) {
  append_key(out, field, WireKind::four_bytes);
  append_little_endian(out, std::bit_cast<std::uint32_t>(value), 4);
}

void append_integer(std::string& out, int field, std::int64_t value) {
  append_key(out, field, WireKind::varint);
  append_varint(out, static_cast<std::uint64_t>(value));
}

void append_bytes(std::string& out, int field, std::string_view value) {
  append_key(out, field, WireKind::bytes);
  append_varint(out, value.size());
  out += value;
}

/// Event {wall_time = 1, file_version = 3}: what each file begins with.
std::string version_event(double wall_time) {
  std::string event;
  append_double(event, 1, wall_time);
  append_bytes(event, 3, "brain.Event:2");
  return event;
}

/// Event {wall_time = 1, step = 2, summary = 5 {value = 1 {tag = 1, simple_value = 2}}}.
std::string scalar_event(std::string_view tag, std::int64_t step, double wall_time, float value) {
  std::string summary_value;
  append_bytes(summary_value, 1, tag);
  append_float(summary_value, 2, value);
  std::string summary;
  append_bytes(summary, 1, summary_value);
  std::string event;
  append_double(event, 1, wall_time);
  append_integer(event, 2, step);
  append_bytes(event, 5, summary);
  return event;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
    table[i] = crc;
  }
  return table;
}

/// TFRecord's mask, so that a CRC of data that holds CRCs is no special value.
std::uint32_t masked_crc(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U; }

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

std::string tfrecord(std::string_view data) {
  std::string record;
  append_little_endian(record, data.size(), 8);
  append_little_endian(record, masked_crc(record), 4);
  record += data;
  append_little_endian(record, masked_crc(data), 4);
  return record;
}

EventFile::EventFile(const std::filesystem::path& folder) {
  // No more than these two: a run whose folder was taken away must not go on in a new one.
  for (const std::filesystem::path& path : {folder.parent_path(), folder}) {
    std::error_code error;
    std::filesystem::create_directory(path, error);
    if (error) {
      throw Error(ErrorCode::write, "folder " + path.string() + " cannot be made: " + error.message());
    }
  }
  const double start = now();
  const std::string name = "events.out.tfevents." + std::to_string(static_cast<std::int64_t>(start)) + "." +
                           host_name() + "." + std::to_string(::getpid()) + ".";
  for (int number = 0; descriptor_ < 0; ++number) {
    path_ = folder / (name + std::to_string(number));
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) {
      throw Error(ErrorCode::write, path_.string() + " cannot be made: " + std::strerror(errno));
    }
  }
  try {
    append(version_event(start));
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

EventFile::~EventFile() { ::close(descriptor_); }

void EventFile::add_scalar(std::string_view tag, std::int64_t step, double wall_time, float value) {
  append(scalar_event(tag, step, wall_time, value));
}

void EventFile::add_scalar(std::string_view tag, std::int64_t step, float value) {
  add_scalar(tag, step, now(), value);
}

void EventFile::append(const std::string& event) {
  // Not write_file_atomically: a viewer follows the file while it grows, and passes over an unfinished
  // record.
  const std::string record = tfrecord(event);
  for (std::size_t done = 0; done < record.size();) {
    const ssize_t n = ::write(descriptor_, record.data() + done, record.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      throw Error(ErrorCode::write, path_.string() + " cannot be written: " + std::strerror(errno));
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace resnet
