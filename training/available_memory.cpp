#include "training/available_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

#include <malloc.h>

namespace resnet {
namespace {

namespace fs = std::filesystem;

/// The number behind `name` in a file of names and numbers.
std::optional<std::uint64_t> find_number(const fs::path& file, std::string_view name) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::uint64_t value = 0;
    if (word == name && in >> value) return value;
  }
  return std::nullopt;
}

/// The number that a file holds; nothing for "max".
std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

/// What the files of a version of control groups are called.
struct Files {
  const char *limit, *usage, *droppable;
};

/// What a group, and those that it is in, leave.
std::uint64_t left_in(const fs::path& top, fs::path group, const Files& files) {
  std::uint64_t left = std::numeric_limits<std::uint64_t>::max();
  for (;;) {
    const fs::path folder = top / group.relative_path();
    const auto limit = number_in(folder / files.limit), usage = number_in(folder / files.usage);
    if (limit && usage) {
      const std::uint64_t kept = find_number(folder / "memory.stat", files.droppable).value_or(0);
      const std::uint64_t used = *usage - std::min(*usage, kept);
      left = std::min(left, *limit - std::min(*limit, used));
    }
    if (!group.has_relative_path()) return left;
    group = group.parent_path();
  }
}

}  // namespace

std::optional<std::uint64_t> available_memory(const fs::path& root) {
  constexpr Files first{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
  constexpr Files second{"memory.max", "memory.current", "inactive_file"};
  const auto kibibytes = find_number(root / "proc/meminfo", "MemAvailable:");
  if (!kibibytes) return std::nullopt;
  std::uint64_t left = *kibibytes * 1024;
  // Lines are "number:controllers:/group"; version 2 has the number 0 and names no controllers.
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t name = line.find(':'), group = line.find(':', name + 1);
    if (name == std::string::npos || group == std::string::npos) continue;
    const std::string controllers = "," + line.substr(name + 1, group - name - 1) + ",";
    const fs::path path = line.substr(group + 1);
    if (controllers == ",,") left = std::min(left, left_in(root / "sys/fs/cgroup", path, second));
    if (controllers.find(",memory,") != std::string::npos)
      left = std::min(left, left_in(root / "sys/fs/cgroup/memory", path, first));
  }
  return left;
}

void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

}  // namespace resnet
