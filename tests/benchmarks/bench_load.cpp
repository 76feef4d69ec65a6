// bench-load: what starting cannot do without: LibTorch loaded, the bytes of the weights read. Prints a line
// of JSON when that is done, with the process's peak memory.
//
//   bench-load [WEIGHTS]
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <dlfcn.h>

namespace {

/// The whole file, in memory that is freed again.
bool read_all(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return false;
  std::vector<char> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  return static_cast<bool>(file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())));
}

/// VmHWM, in kB.
long peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // As the plugin does when it loads its engine.
  if (!dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_LOCAL)) {
    std::fprintf(stderr, "bench-load: %s\n", dlerror());
    return 1;
  }
  if (argc > 1 && !read_all(argv[1])) {
    std::fprintf(stderr, "bench-load: cannot read %s\n", argv[1]);
    return 1;
  }
  std::printf("{\"peak_kb\": %ld}\n", peak_memory());
  return 0;
}
