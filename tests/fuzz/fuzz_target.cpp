#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "model/error.h"
#include "model/quote.h"
#include "tests/temporary_folder.h"

// Of the sanitizers' runtime; null without one.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                              void (*free_hook)(const volatile void*)) __attribute__((weak));
std::size_t __sanitizer_get_allocated_size(const volatile void* memory) __attribute__((weak));
}
// NOLINTEND(bugprone-reserved-identifier)

namespace resnet::testing {
namespace {

std::atomic<std::size_t> allocated, most_allocated;

void count_malloc(const volatile void* /*memory*/, std::size_t size) {
  const std::size_t now = allocated += size;
  std::size_t most = most_allocated;
  while (now > most && !most_allocated.compare_exchange_weak(most, now)) {
  }
}

void count_free(const volatile void* memory) {
  if (memory != nullptr) allocated -= __sanitizer_get_allocated_size(memory);
}

[[noreturn]] void fail(const char* what, const std::string& detail) {
  std::fprintf(stderr, "%s: %s\n", what, detail.c_str());
  std::abort();
}

}  // namespace

void read_hostile(std::size_t size, const std::function<void()>& reader) {
  static const bool counting = __sanitizer_install_malloc_and_free_hooks != nullptr &&
                               __sanitizer_install_malloc_and_free_hooks(count_malloc, count_free) != 0;
  const std::size_t before = allocated;
  most_allocated = before;
  try {
    reader();
  } catch (const Error& error) {
    const std::string_view text = error.what();
    if (text.empty() || !is_plain_utf8(text)) fail("an error that is no plain sentence", error.what());
  } catch (const std::exception& error) {
    fail("another exception than Error", error.what());
  }
  const std::size_t most = most_allocated - std::min<std::size_t>(before, most_allocated);
  if (counting && most > memory_slack + memory_per_byte * size) {
    fail("too much memory", std::to_string(most) + " bytes for a file of " + std::to_string(size));
  }
}

std::shared_ptr<const FileBytes> file_of(std::span<const std::uint8_t> bytes) {
  const auto file = std::make_shared<FileBytes>();
  file->size = bytes.size();
  file->data = std::make_unique_for_overwrite<std::uint8_t[]>(std::max<std::size_t>(bytes.size(), 1));
  std::copy(bytes.begin(), bytes.end(), file->data.get());
  return file;
}

void read_torch_file(TorchFile (*read)(std::span<const std::uint8_t> bytes, const std::string& where),
                     std::span<const std::uint8_t> bytes) {
  const auto file = file_of(bytes);
  Checkpoint checkpoint;
  const TorchFile torch = read(file->span(), "'file'");
  if (!torch.info.empty()) checkpoint.info = parse_info(torch.info, "'file'");
  extract_state_dict(torch, file, "'file'", checkpoint);
}

std::filesystem::path hostile_file(const std::string& name, std::span<const std::uint8_t> bytes) {
  static const TemporaryFolder folder;
  const std::filesystem::path path = folder / name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

}  // namespace resnet::testing
