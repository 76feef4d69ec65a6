#ifndef RESNET_TRAINING_FILE_H
#define RESNET_TRAINING_FILE_H

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace resnet {

/// The bytes of a regular file.
/// @throws Error not_found, read (also when it is larger than `limit` bytes)
std::vector<std::uint8_t> read_file(const std::filesystem::path& path, std::uint64_t limit);

/// Replaces `path` by `text`: a temporary file, fsync, rename.
/// @throws Error write
void replace_file(const std::filesystem::path& path, const std::string& text);

/// Makes the folder of `path` where it is missing and checks that a file can be written there.
/// @throws Error write
void check_writable(const std::filesystem::path& path);

}  // namespace resnet

#endif
