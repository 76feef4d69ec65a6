#ifndef RESNET_TESTS_FUZZ_FUZZ_TARGET_H
#define RESNET_TESTS_FUZZ_FUZZ_TARGET_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "model/file_io.h"
#include "model/torch_formats.h"

/// What libFuzzer calls, and replay.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace resnet::testing {

/// What a reader may have allocated at any time, beside the file's own bytes. SECURITY.md promises it.
constexpr std::size_t memory_slack = std::size_t{64} << 20;
constexpr std::size_t memory_per_byte = 512;

/// Runs a reader on a file of `size` bytes. An Error with a sentence fit for a terminal is an answer.
/// Anything else ends the program: another exception, such a sentence with control characters in it, and,
/// where a sanitizer counts, memory beyond those limits.
void read_hostile(std::size_t size, const std::function<void()>& reader);

/// The bytes as read_file gives them.
std::shared_ptr<const FileBytes> file_of(std::span<const std::uint8_t> bytes);

/// What read_checkpoint does with a file of torch.save.
void read_torch_file(TorchFile (*read)(std::span<const std::uint8_t> bytes, const std::string& where),
                     std::span<const std::uint8_t> bytes);

/// Writes the bytes to a file of that name in a folder of this process's own, which goes with it.
std::filesystem::path hostile_file(const std::string& name, std::span<const std::uint8_t> bytes);

}  // namespace resnet::testing

#endif
