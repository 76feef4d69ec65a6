// Runs a fuzz target on the files of its corpus, in builds without libFuzzer.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "model/error.h"
#include "tests/fuzz/fuzz_target.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: replay FOLDER\n", stderr);
    return EXIT_FAILURE;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& path : files) {
    const resnet::FileBytes file = resnet::read_file(path, std::uint64_t{1} << 30);
    LLVMFuzzerTestOneInput(file.data.get(), file.size);
  }
  std::printf("%zu files\n", files.size());
  return files.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
}
