// make-model FILE: writes the tests' small network, for pipelines that are run as scripts.
#include <filesystem>

#include "tests/plugin/classify_fixture.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::filesystem::copy_file(resnet::test_model(), argv[1]);
  return 0;
}
