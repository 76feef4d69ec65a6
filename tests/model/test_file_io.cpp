// Reading what is no plain file or changes meanwhile, and writing when the process is killed.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/file_io.h"
#include "model/labels.h"
#include "tests/model/checkpoint_fixtures.h"

namespace resnet::testing {
namespace {

using ReadFile = CheckpointTest;
using WriteFile = CheckpointTest;

/// Gives root's rights up for its lifetime.
class Nobody {
 public:
  Nobody() : was_(geteuid()) {
    if (was_ == 0) is_nobody_ = seteuid(65534) == 0;
  }
  ~Nobody() {
    if (is_nobody_ && seteuid(was_) != 0) std::abort();
  }
  Nobody(const Nobody&) = delete;
  Nobody& operator=(const Nobody&) = delete;

 private:
  uid_t was_;
  bool is_nobody_ = false;
};

TEST_F(ReadFile, WhatIsNoPlainFileIsRefusedAtOnce) {
  const auto refuse = [&](const std::filesystem::path& path, const std::string& part) {
    expect_refused(path, ErrorCode::read, part);
    EXPECT_THROW(read_labels(path), Error) << path;
  };
  ASSERT_EQ(mkfifo((folder_ / "fifo.pth").c_str(), 0600), 0);
  refuse(folder_ / "fifo.pth", "not a regular file");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = (folder_ / "socket.pth").string();
  ASSERT_LT(name.size(), sizeof address.sun_path);
  name.copy(address.sun_path, name.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  refuse(folder_ / "socket.pth", "cannot open");
  close(descriptor);
  for (const char* device : {"/dev/zero", "/dev/full", "/dev/tty"}) {
    if (!std::filesystem::exists(device)) continue;
    EXPECT_THROW(read_checkpoint(device), Error) << device;
  }
  EXPECT_THROW(read_checkpoint("/proc/self/mem"), Error);
  refuse(folder_, "is a folder");
  std::filesystem::create_symlink("b.pth", folder_ / "a.pth");
  std::filesystem::create_symlink("a.pth", folder_ / "b.pth");
  refuse(folder_ / "a.pth", "symbolic links");
  std::filesystem::create_symlink("nowhere", folder_ / "broken.pth");
  expect_refused(folder_ / "broken.pth", ErrorCode::not_found, "does not exist");
  expect_refused(folder_ / std::string(300, 'x'), ErrorCode::read, "too long");
}

TEST_F(ReadFile, AFileThatMayNotBeReadIsNamed) {
  const auto path = file("secret.pth", "x");
  std::filesystem::permissions(path, std::filesystem::perms(0));
  std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  const Nobody nobody;
  expect_refused(path, ErrorCode::read, "Permission denied");
}

// Sizes change between a file's fstat and its last read: an error, or bytes that were there, and never a
// crash.
TEST_F(ReadFile, AFileThatChangesWhileItIsReadIsAnErrorOrWhole) {
  const std::size_t size = std::size_t{24} << 20;  // two threads read it
  const auto path = file("a.pth", std::string(size, 'a'));
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int i = 0; !stop; ++i) {
      if (truncate(path.c_str(), static_cast<off_t>(i % 2 == 0 ? size / 3 : size)) != 0) break;
    }
  });
  int whole = 0, cut = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < end) {
    try {
      const FileBytes bytes = read_file(path, size);
      EXPECT_TRUE(bytes.size == size || bytes.size == size / 3) << bytes.size;
      ++whole;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("became shorter while it was read"), std::string::npos);
      ++cut;
    }
  }
  stop = true;
  changer.join();
  EXPECT_GT(whole + cut, 0);
  std::printf("%d whole, %d cut\n", whole, cut);
}

/// A process that calls `write` with 1, 2, 3, … until it is killed.
template <typename Write>
void kill_while_writing(const Write& write, std::chrono::microseconds after) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      for (int i = 1;; ++i) write(i);
    } catch (...) {
      _exit(1);
    }
  }
  ASSERT_GT(child, 0);
  std::this_thread::sleep_for(after);
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
}

// fsync takes most of the time, so that most kills come before the rename.
TEST_F(WriteFile, OneThatIsKilledLeavesAWholeFile) {
  constexpr std::int64_t count = 200'000;
  for (const std::string kind : {"a.pth", "a.safetensors", "class_indices.json"}) {
    const auto path = folder_ / kind;
    std::vector<float> values(count);
    const auto write = [&](int number) {
      if (kind.ends_with(".json")) {
        write_labels(path, std::vector<std::string>(3000, std::to_string(number)));
      } else {
        // No operator of LibTorch's: its threads do not come with a fork.
        std::fill(values.begin(), values.end(), static_cast<float>(number));
        write_checkpoint(path, {{"w", at::from_blob(values.data(), {count})}}, {{"number", number}});
      }
    };
    const auto start = std::chrono::steady_clock::now();
    write(0);
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
    int last = 0;
    for (int eighths = 1; eighths < 40; eighths += 3) {
      SCOPED_TRACE(kind + " killed after " + std::to_string(eighths) + " eighths of what a write takes");
      kill_while_writing(write, took * eighths / 8);
      if (kind.ends_with(".json")) {
        const std::vector<std::string> labels = read_labels(path);
        EXPECT_EQ(labels, std::vector<std::string>(3000, labels.front()));
        last = std::stoi(labels.front());
      } else {
        const Checkpoint read = read_checkpoint(path);
        last = read.info["number"].get<int>();
        EXPECT_TRUE(at::equal(*read.find("w"), at::full({count}, last, at::kFloat)));
      }
    }
    EXPECT_GT(last, 0) << "nothing was written before the last kill";
  }
}

}  // namespace
}  // namespace resnet::testing
