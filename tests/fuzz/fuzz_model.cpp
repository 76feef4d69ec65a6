// Whole model files, of plain and of quantized networks: which network it is, its tensors, its labels.
#include "model/model_file.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet::testing;
  read_hostile(size, [&] { resnet::load_model(hostile_file("model.safetensors", {data, size})); });
  return 0;
}
