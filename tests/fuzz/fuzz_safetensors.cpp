// Files of safetensors.
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet::testing;
  read_hostile(size, [&] {
    resnet::Checkpoint checkpoint;
    resnet::read_safetensors(file_of({data, size}), "'file'", checkpoint);
  });
  return 0;
}
