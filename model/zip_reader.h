#ifndef RESNET_MODEL_ZIP_READER_H
#define RESNET_MODEL_ZIP_READER_H

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

struct ZipEntry {
  std::string name;
  std::span<const std::uint8_t> data;  ///< inside the archive's bytes
};

/// Reads the entries of a zip archive as torch.save writes them, and refuses everything else: entries are
/// STORED, unencrypted and lie one behind the other from the first byte to the central directory; names are
/// unique (also ignoring case), relative and free of `..`, `\` and NUL; nothing precedes or follows; no
/// comments; a CRC that is there (0 means absent) matches. Data descriptors and zip64 are fine.
/// @param where the quoted file name, for errors.  @throws Error format
std::vector<ZipEntry> read_zip(std::span<const std::uint8_t> bytes, const std::string& where);

}  // namespace resnet

#endif
