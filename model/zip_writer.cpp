#include "model/zip_writer.h"

#include <libdeflate.h>

#include "model/byte_writer.h"
#include "model/error.h"

namespace resnet {
namespace {

constexpr std::size_t alignment = 64;

/// The fields that local header and directory share: version needed, flags, method, time, CRC, sizes.
void put_common(std::string& out, std::uint32_t crc, std::uint32_t size) {
  append_little_endian(out, 0, 2);
  append_little_endian(out, 0x800, 2);
  append_little_endian(out, 0, 2);
  append_little_endian(out, 0x00210000,
                       4);  // 1980-01-01, the zero of zip's calendar: the same weights give the same file
  append_little_endian(out, crc, 4);
  append_little_endian(out, size, 4);
  append_little_endian(out, size, 4);
}

}  // namespace

std::uint32_t ZipWriter::checked(std::uint64_t value) const {
  if (value >= 0xFFFFFFFF)
    throw Error(ErrorCode::write, "cannot write " + where_ + ": it would have more than 4 GiB");
  return static_cast<std::uint32_t>(value);
}

void ZipWriter::add(const std::string& name, const void* data, std::size_t size) {
  const Record record{name, libdeflate_crc32(0, data, size), checked(size), checked(out_.position())};
  std::string header;
  append_little_endian(header, 0x04034b50, 4);
  put_common(header, record.crc, record.size);
  append_little_endian(header, name.size(), 2);
  // The extra field "FB" holds nothing but the padding, as in PyTorch's own files.
  const std::uint64_t unpadded = out_.position() + header.size() + 2 + name.size() + 4;
  const std::size_t padding = static_cast<std::size_t>((alignment - unpadded % alignment) % alignment);
  append_little_endian(header, padding + 4, 2);
  header += name;
  header += "FB";
  append_little_endian(header, padding, 2);
  header.append(padding, 'Z');
  out_.write(header);
  out_.write(data, size);
  records_.push_back(record);
}

void ZipWriter::finish() {
  const std::uint64_t start = out_.position();
  for (const Record& record : records_) {
    std::string header;
    append_little_endian(header, 0x02014b50, 4);
    append_little_endian(header, 0, 2);
    put_common(header, record.crc, record.size);
    append_little_endian(header, record.name.size(), 2);
    append_little_endian(header, 0, 12);  // no extra field, no comment, first disk, no attributes
    append_little_endian(header, record.offset, 4);
    header += record.name;
    out_.write(header);
  }
  const std::uint64_t size = out_.position() - start;
  if (records_.size() >= 0xFFFF)
    throw Error(ErrorCode::write, "cannot write " + where_ + ": it has too many tensors");
  std::string end;
  append_little_endian(end, 0x06054b50, 4);
  append_little_endian(end, 0, 4);
  append_little_endian(end, records_.size(), 2);
  append_little_endian(end, records_.size(), 2);
  append_little_endian(end, checked(size), 4);
  append_little_endian(end, checked(start), 4);
  append_little_endian(end, 0, 2);
  out_.write(end);
}

}  // namespace resnet
