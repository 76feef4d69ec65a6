#ifndef RESNET_TESTS_PYTHON_LINES_H
#define RESNET_TESTS_PYTHON_LINES_H

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace resnet {

/// The lines that a program of tests/training prints. RESNET_PYTHON names the Python that runs it.
/// @throws std::runtime_error when it fails
inline std::vector<std::string> python_lines(const std::string& program, const std::string& arguments) {
  const std::string command = std::string("'") + std::getenv("RESNET_PYTHON") + "' '" +
                              std::getenv("RESNET_SOURCE_ROOT") + "/tests/training/" + program + "' " +
                              arguments;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error(command);
  std::vector<std::string> lines;
  std::array<char, 512> line{};
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) lines.emplace_back(line.data());
  if (pclose(pipe) != 0) throw std::runtime_error(command);
  return lines;
}

}  // namespace resnet

#endif
