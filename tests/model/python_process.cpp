#include "tests/model/python_process.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace resnet::testing {

PythonProcess::PythonProcess(const std::string& program) {
  const char* python = std::getenv("RESNET_PYTHON");
  std::array<int, 2> questions{}, answers{};
  if (!python || pipe2(questions.data(), O_CLOEXEC) != 0 || pipe2(answers.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("cannot start Python");
  // A program that ended must be a failed test, not the death of this one.
  std::signal(SIGPIPE, SIG_IGN);
  child_ = fork();
  if (child_ == 0) {
    dup2(questions[0], STDIN_FILENO);
    dup2(answers[1], STDOUT_FILENO);
    execl(python, python, "-c", program.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  close(questions[0]);
  close(answers[1]);
  to_ = fdopen(questions[1], "w");
  from_ = fdopen(answers[0], "r");
}

PythonProcess::~PythonProcess() {
  std::fclose(to_);
  std::fclose(from_);
  waitpid(child_, nullptr, 0);
}

std::string PythonProcess::ask(const std::string& question) {
  std::fputs((question + "\n").c_str(), to_);
  std::fflush(to_);
  std::string answer;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    if (c == EOF) return "the Python program ended";
    answer += static_cast<char>(c);
  }
  return answer;
}

}  // namespace resnet::testing
