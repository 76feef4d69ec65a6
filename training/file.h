#ifndef RESNET_TRAINING_FILE_H
#define RESNET_TRAINING_FILE_H

#include <filesystem>
#include <string>

namespace resnet {

/// Replaces `path` by `text`: a temporary file, fsync, rename.
/// @throws Error write
void replace_file(const std::filesystem::path& path, const std::string& text);

/// Makes the folder of `path` where it is missing and checks that a file can be written there.
/// @throws Error write
void check_writable(const std::filesystem::path& path);

}  // namespace resnet

#endif
