#ifndef RESNET_TRAINING_AVAILABLE_MEMORY_H
#define RESNET_TRAINING_AVAILABLE_MEMORY_H

#include <cstdint>
#include <filesystem>
#include <optional>

namespace resnet {

/// Bytes that this process may take without swapping or being killed: what the kernel calls available
/// (`/proc/meminfo`), or less where a control group of it, of version 1 or 2, has a limit, as containers and
/// batch systems set them. What files keep in memory and can be dropped counts as available.
/// @param root where `proc` and `sys` are
/// @return nothing where the kernel does not say
std::optional<std::uint64_t> available_memory(const std::filesystem::path& root = "/");

/// From now on freed memory stays this process's own. Training allocates and frees the same large tensors in
/// every step: from the system their pages would be faulted in anew.
void keep_freed_memory();

}  // namespace resnet

#endif
