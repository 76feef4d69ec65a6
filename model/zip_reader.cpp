#include "model/zip_reader.h"

#include <algorithm>
#include <unordered_set>

#include <libdeflate.h>

#include "model/byte_reader.h"
#include "model/quote.h"

namespace resnet {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t descriptor_signature = 0x08074b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t locator64_signature = 0x07064b50;
constexpr std::size_t end_size = 22, end64_size = 56, locator64_size = 20;
constexpr std::uint64_t max_entries = 100000;
constexpr std::uint16_t flag_descriptor = 0x8, flag_utf8 = 0x800;
/// Bits 1 and 2 say how hard a compressor tried; they mean nothing for stored data.
constexpr std::uint16_t allowed_flags = flag_descriptor | flag_utf8 | 0x6;

struct Directory {
  std::uint64_t offset = 0, size = 0, entries = 0;
};

/// What the central directory says about an entry.
struct Record {
  std::string name;
  std::uint16_t flags = 0;
  std::uint32_t crc = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  ///< of the local header
};

class ZipReader {
 public:
  ZipReader(std::span<const std::uint8_t> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  std::vector<ZipEntry> read();

 private:
  ByteReader at(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset)
      fail("is truncated: the zip directory points behind its end");
    return {bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)), where_};
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::format, where_ + " " + message);
  }

  Directory find_directory() const;
  Directory find_directory64(std::uint64_t end, Directory directory) const;
  Record read_record(ByteReader& reader) const;
  void check_name(const std::string& name) const;
  ZipEntry read_entry(const Record& record, std::uint64_t next) const;
  void check_descriptor(const Record& record, ByteReader reader) const;

  std::span<const std::uint8_t> bytes_;
  const std::string& where_;
};

Directory ZipReader::find_directory() const {
  if (bytes_.size() < end_size) fail("is truncated: it is too short for a zip archive");
  const std::uint64_t end = bytes_.size() - end_size;
  ByteReader reader = at(end, end_size);
  if (reader.u32() != end_signature) {
    fail("has no zip directory at its end: it is truncated, or something was appended to it");
  }
  const std::uint16_t disk = reader.u16(), start_disk = reader.u16();
  const std::uint16_t disk_entries = reader.u16(), entries = reader.u16();
  Directory directory;
  directory.entries = entries;
  directory.size = reader.u32();
  directory.offset = reader.u32();
  if (reader.u16() != 0) fail("has a comment in its zip directory, which torch.save never writes");

  const bool has_locator = end >= locator64_size && at(end - locator64_size, 4).u32() == locator64_signature;
  if (has_locator) return find_directory64(end, directory);
  if (disk != 0 || start_disk != 0 || disk_entries != entries)
    fail("is a part of a zip archive on several disks");
  if (directory.offset + directory.size != end) fail("has a zip directory that is not where it says");
  return directory;
}

Directory ZipReader::find_directory64(std::uint64_t end, Directory directory) const {
  const std::uint64_t locator = end - locator64_size;
  ByteReader reader = at(locator + 4, locator64_size - 4);
  const std::uint32_t disk = reader.u32();
  const std::uint64_t end64 = reader.u64();
  if (disk != 0 || reader.u32() != 1) fail("is a part of a zip archive on several disks");
  if (locator < end64_size || end64 != locator - end64_size)
    fail("has a zip64 directory that is not where it says");
  ByteReader record = at(end64, end64_size);
  if (record.u32() != end64_signature || record.u64() != end64_size - 12)
    fail("has a damaged zip64 end record");
  record.take(4);
  Directory large;
  if (record.u32() != 0 || record.u32() != 0) fail("is a part of a zip archive on several disks");
  const std::uint64_t disk_entries = record.u64();
  large.entries = record.u64();
  large.size = record.u64();
  large.offset = record.u64();
  const bool agrees = disk_entries == large.entries &&
                      (directory.entries == 0xFFFF || directory.entries == large.entries) &&
                      (directory.size == 0xFFFFFFFF || directory.size == large.size) &&
                      (directory.offset == 0xFFFFFFFF || directory.offset == large.offset);
  if (!agrees) fail("has two zip directories that contradict each other");
  if (large.size > end64 || large.offset != end64 - large.size)
    fail("has a zip directory that is not where it says");
  return large;
}

/// Replaces the values that are 0xFFFFFFFF by those of the zip64 extra field, as appnote.txt 4.5.3 orders
/// them.
void apply_zip64(ByteReader extra, std::initializer_list<std::uint64_t*> values) {
  while (extra.left() > 0) {
    const std::uint16_t id = extra.u16(), size = extra.u16();
    ByteReader field(extra.take(size), extra.where());
    if (id != 1) continue;
    for (std::uint64_t* value : values) {
      if (*value == 0xFFFFFFFF) *value = field.u64();
    }
    return;
  }
}

void ZipReader::check_name(const std::string& name) const {
  const bool relative = !name.empty() && name.front() != '/' && name.size() <= 1024;
  const bool plain = is_plain_utf8(name) && name.find('\\') == std::string::npos;
  if (!relative || !plain || ("/" + name + "/").find("/../") != std::string::npos) {
    fail("has an entry with the unsafe name " + quote(name));
  }
}

Record ZipReader::read_record(ByteReader& reader) const {
  if (reader.u32() != central_signature) fail("has a damaged zip directory");
  reader.take(4);
  Record record;
  record.flags = reader.u16();
  const std::uint16_t method = reader.u16();
  reader.take(4);
  record.crc = reader.u32();
  std::uint64_t compressed = reader.u32();
  record.size = reader.u32();
  const std::uint16_t name_size = reader.u16(), extra_size = reader.u16(), comment_size = reader.u16();
  const std::uint16_t disk = reader.u16();
  reader.take(6);
  record.offset = reader.u32();
  record.name = reader.take_text(name_size);
  apply_zip64({reader.take(extra_size), where_}, {&record.size, &compressed, &record.offset});
  check_name(record.name);
  const std::string entry = "has the entry " + quote(record.name) + ", which ";
  if ((record.flags & 0x2041) != 0) fail(entry + "is encrypted");
  if ((record.flags & ~allowed_flags) != 0) fail(entry + "has zip flags that torch.save never writes");
  if (method != 0)
    fail(entry + "is compressed (method " + std::to_string(method) +
         "); torch.save stores its entries (is this a TorchScript archive? expected a state dict)");
  if (compressed != record.size) fail(entry + "is stored and yet has two different sizes");
  if (comment_size != 0 || disk != 0) fail(entry + "has a comment or lies on another disk");
  return record;
}

void ZipReader::check_descriptor(const Record& record, ByteReader reader) const {
  const bool described = (record.flags & flag_descriptor) != 0;
  const std::size_t size = reader.left();
  // 32- or 64-bit sizes, with or without a signature.
  if (!described ? size != 0 : (size != 12 && size != 16 && size != 20 && size != 24)) {
    fail("has bytes behind its entry " + quote(record.name) + " that belong to nothing");
  }
  if (!described) return;
  if ((size == 16 || size == 24) && reader.u32() != descriptor_signature) {
    fail("has a damaged data descriptor behind its entry " + quote(record.name));
  }
  const std::uint32_t crc = reader.u32();
  const bool wide = size >= 20;
  const std::uint64_t compressed = wide ? reader.u64() : reader.u32();
  const std::uint64_t plain = wide ? reader.u64() : reader.u32();
  if ((crc != 0 && record.crc != 0 && crc != record.crc) || compressed != record.size ||
      plain != record.size) {
    fail("contradicts itself about size or CRC of its entry " + quote(record.name));
  }
}

/// @param next where the following entry, or the directory, begins
ZipEntry ZipReader::read_entry(const Record& record, std::uint64_t next) const {
  ByteReader reader = at(record.offset, next - record.offset);
  if (reader.u32() != local_signature)
    fail("has no entry where its zip directory says " + quote(record.name) + " is");
  reader.take(2);
  const std::uint16_t flags = reader.u16(), method = reader.u16();
  reader.take(4);
  const std::uint32_t crc = reader.u32();
  std::uint64_t compressed = reader.u32(), size = reader.u32();
  const std::uint16_t name_size = reader.u16(), extra_size = reader.u16();
  const std::string_view name = reader.take_text(name_size);
  apply_zip64({reader.take(extra_size), where_}, {&size, &compressed});
  const bool described = (flags & flag_descriptor) != 0;
  const bool sizes_fit =
      (size == record.size && compressed == record.size) || (described && size == 0 && compressed == 0);
  // A CRC of zero is an absent one, here as in the directory.
  const bool crc_fits = crc == 0 || record.crc == 0 || crc == record.crc;
  if (name != record.name || flags != record.flags || method != 0 || !sizes_fit || !crc_fits) {
    fail("contradicts itself about its entry " + quote(record.name));
  }

  ZipEntry entry;
  entry.name = record.name;
  entry.data = reader.take(record.size);
  check_descriptor(record, {reader.take(reader.left()), where_});
  if (record.crc != 0 && libdeflate_crc32(0, entry.data.data(), entry.data.size()) != record.crc) {
    fail("is damaged: the CRC of its entry " + quote(record.name) + " does not match");
  }
  return entry;
}

std::string lower_case(std::string text) {
  for (char& character : text) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  }
  return text;
}

std::vector<ZipEntry> ZipReader::read() {
  const Directory directory = find_directory();
  if (directory.entries > max_entries) {
    fail("has " + std::to_string(directory.entries) + " zip entries, more than " +
         std::to_string(max_entries));
  }
  ByteReader reader = at(directory.offset, directory.size);
  std::vector<Record> records;
  std::unordered_set<std::string> names;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    records.push_back(read_record(reader));
    if (!names.insert(lower_case(records.back().name)).second) {
      fail("has the entry " + quote(records.back().name) + " twice");
    }
  }
  if (reader.left() != 0) fail("has more in its zip directory than the entries that it counts");
  if (records.empty()) fail("is an empty zip archive");

  // One behind the other from the first byte to the directory: no prefix, no gap, no overlap.
  std::stable_sort(records.begin(), records.end(),
                   [](const Record& a, const Record& b) { return a.offset < b.offset; });
  if (records.front().offset != 0) fail("has data in front of its first zip entry");
  std::vector<ZipEntry> entries;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::uint64_t next = i + 1 < records.size() ? records[i + 1].offset : directory.offset;
    if (next <= records[i].offset) fail("has zip entries that overlap: " + quote(records[i].name));
    entries.push_back(read_entry(records[i], next));
  }
  return entries;
}

}  // namespace

std::vector<ZipEntry> read_zip(std::span<const std::uint8_t> bytes, const std::string& where) {
  return ZipReader(bytes, where).read();
}

}  // namespace resnet
