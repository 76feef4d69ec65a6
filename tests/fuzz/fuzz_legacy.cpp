// torch.save's stream of pickles, before PyTorch 1.6.
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet::testing;
  read_hostile(size, [&] { read_torch_file(resnet::read_torch_legacy, {data, size}); });
  return 0;
}
