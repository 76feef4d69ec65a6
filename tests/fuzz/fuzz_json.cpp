// Labels, as JSON and by line, and what a model file says about itself.
#include "model/labels.h"
#include "model/model_info.h"
#include "tests/fuzz/fuzz_target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet::testing;
  const std::span<const std::uint8_t> bytes(data, size);
  for (const char* name : {"class_indices.json", "labels.txt"}) {
    read_hostile(size, [&] { resnet::read_labels(hostile_file(name, bytes)); });
  }
  read_hostile(size, [&] {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    resnet::model_info_from_json(resnet::parse_info(text, "'file'"), {}, "'file'");
  });
  return 0;
}
