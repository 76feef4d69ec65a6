#ifndef RESNET_TRAINING_FILE_H
#define RESNET_TRAINING_FILE_H

#include <filesystem>

namespace resnet {

/// Makes the folder of `path` where it is missing and checks that a file can be written there.
/// @throws Error write
void check_writable(const std::filesystem::path& path);

}  // namespace resnet

#endif
