// How much memory a training may take for its pictures, by what the kernel says in files.
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "training/available_memory.h"

namespace resnet {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

TEST(AvailableMemory, IsWhatTheKernelCallsSo) {
  const TemporaryFolder folder;
  EXPECT_EQ(available_memory(folder.path()), std::nullopt);
  write_text(folder / "proc/meminfo", "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 2048 kB\n");
  EXPECT_EQ(available_memory(folder.path()), 2 * mebibyte);
  EXPECT_GT(available_memory().value_or(0), mebibyte) << "here";
}

TEST(AvailableMemory, AControlGroupMayLeaveLess) {
  const TemporaryFolder folder;
  write_text(folder / "proc/meminfo", "MemAvailable: 102400 kB\n");
  write_text(folder / "proc/self/cgroup", "0::/a/b\n");
  write_text(folder / "sys/fs/cgroup/a/b/memory.max", "max\n");
  write_text(folder / "sys/fs/cgroup/a/b/memory.current", "1048576\n");
  EXPECT_EQ(available_memory(folder.path()), 100 * mebibyte);
  // A limit of the group around it; what files keep in memory can be dropped.
  write_text(folder / "sys/fs/cgroup/a/memory.max", "52428800\n");
  write_text(folder / "sys/fs/cgroup/a/memory.current", "20971520\n");
  write_text(folder / "sys/fs/cgroup/a/memory.stat", "anon 7\ninactive_file 10485760\n");
  EXPECT_EQ(available_memory(folder.path()), 40 * mebibyte);
  write_text(folder / "sys/fs/cgroup/a/memory.current", "62914560\n");
  EXPECT_EQ(available_memory(folder.path()), 0U);
}

TEST(AvailableMemory, KnowsTheFirstVersionOfControlGroups) {
  const TemporaryFolder folder;
  write_text(folder / "proc/meminfo", "MemAvailable: 102400 kB\n");
  write_text(folder / "proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/x\n");
  // A container sees its own group at the top.
  write_text(folder / "sys/fs/cgroup/memory/memory.limit_in_bytes", "10485760\n");
  write_text(folder / "sys/fs/cgroup/memory/memory.usage_in_bytes", "4194304\n");
  write_text(folder / "sys/fs/cgroup/memory/memory.stat", "total_inactive_file 1048576\n");
  EXPECT_EQ(available_memory(folder.path()), 7 * mebibyte);
}

}  // namespace
}  // namespace resnet
