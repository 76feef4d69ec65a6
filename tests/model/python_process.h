#ifndef RESNET_TESTS_MODEL_PYTHON_PROCESS_H
#define RESNET_TESTS_MODEL_PYTHON_PROCESS_H

#include <cstdio>
#include <string>

#include <sys/types.h>

namespace resnet::testing {

/// A Python program of its own process that answers lines with lines: importing torch takes seconds, so one
/// process serves many questions.
class PythonProcess {
 public:
  /// @param program reads questions from stdin, writes one flushed line to stdout for each
  explicit PythonProcess(const std::string& program);
  /// Closes the program's stdin and waits for its end.
  ~PythonProcess();
  PythonProcess(const PythonProcess&) = delete;
  PythonProcess& operator=(const PythonProcess&) = delete;

  /// The line that answers `question`; "the Python program ended" when it did.
  std::string ask(const std::string& question);

 private:
  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace resnet::testing

#endif
