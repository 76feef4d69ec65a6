#ifndef RESNET_TESTS_TRAINING_COMMAND_FIXTURE_H
#define RESNET_TESTS_TRAINING_COMMAND_FIXTURE_H

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/temporary_folder.h"
#include "tests/training/coloured_pictures.h"

namespace resnet {

namespace fs = std::filesystem;

using Arguments = std::vector<std::string>;

inline const Arguments kSmallNet{"--layers",     "1,1,1,1", "--width",   "8", "--image-size", "32",
                                 "--batch-size", "8",       "--epochs",  "3", "--lr",         "0.003",
                                 "--threads",    "1",       "--workers", "2"};

/// `a` and then `b`, whose options replace those of `a`.
inline Arguments operator+(Arguments a, const Arguments& b) {
  for (const std::string& option : b) {
    const auto same = std::find(a.begin(), a.end(), option);
    if (option.starts_with("--") && same != a.end()) a.erase(same, same + 2);
  }
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Result {
  int code = -1;
  std::string out, err;
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The program `resnet` as a user runs it, on drawn pictures and a network that trains in a second.
class Command : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TemporaryFolder;
    write_two_colours(*shared_ / "data/train", 12);
    write_two_colours(*shared_ / "data/val", 4, 1000);
    trained_ = run(Arguments{"train", data(), "--output", model()} + kSmallNet);
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }

  static std::string data() { return (*shared_ / "data").string(); }
  static std::string model() { return (*shared_ / "out/small.pth").string(); }
  static std::string picture() { return data() + "/val/red/r0.png"; }

  /// @param environment "NAME=value" beside this program's own
  static pid_t start(const Arguments& arguments, const fs::path& out, const fs::path& err,
                     Arguments environment = {}) {
    Arguments all{std::string(std::getenv("RESNET_BUILD_ROOT")) + "/training/resnet"};
    all = all + arguments;
    const pid_t child = fork();
    if (child == 0) {
      std::vector<char*> argv;
      for (std::string& argument : all) argv.push_back(argument.data());
      argv.push_back(nullptr);
      for (std::string& variable : environment) putenv(variable.data());
      dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
      dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    return child;
  }

  /// What it writes when stdout and stderr are a terminal of 200 columns.
  static std::string run_in_terminal(const Arguments& arguments) {
    Arguments all{std::string(std::getenv("RESNET_BUILD_ROOT")) + "/training/resnet"};
    all = all + arguments;
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const winsize size{50, 200, 0, 0};
    int terminal = -1;
    const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
    if (child == 0) {
      execv(argv[0], argv.data());
      _exit(127);
    }
    std::string text;
    std::array<char, 4096> some{};
    for (ssize_t n = 0; (n = read(terminal, some.data(), some.size())) > 0;) {
      text.append(some.data(), static_cast<std::size_t>(n));
    }
    close(terminal);
    EXPECT_EQ(wait_for(child), 0) << text;
    return text;
  }

  static int wait_for(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  static Result run(const Arguments& arguments) {
    const TemporaryFolder logs;
    Result result;
    result.code = wait_for(start(arguments, logs / "out", logs / "err"));
    result.out = read_text(logs / "out");
    result.err = read_text(logs / "err");
    return result;
  }

  /// It failed with one line on stderr that says `part`.
  static void expect_error(const Arguments& arguments, const std::string& part) {
    const Result result = run(arguments);
    EXPECT_NE(result.code, 0);
    EXPECT_LT(result.code, 128) << result.err;
    EXPECT_TRUE(contains(result.err, part)) << result.err;
    const std::string last = result.err.substr(result.err.find("resnet: error: "));
    EXPECT_EQ(std::count(last.begin(), last.end(), '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }

  static std::string digest(const std::string& file) {
    return nlohmann::json::parse(run({"inspect", file, "--json"}).out).at("digest");
  }

  static inline TemporaryFolder* shared_ = nullptr;
  static inline Result trained_;
};

}  // namespace resnet

#endif
