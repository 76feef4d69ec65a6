// The pickle of a checkpoint, and the tensors that it makes of one storage of 64 bytes, whatever its key.
#include <array>

#include "model/pickle_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace resnet::testing {
namespace {

TorchFile read_pickle(std::span<const std::uint8_t> bytes, const std::string& where) {
  static constexpr std::array<std::uint8_t, 64> storage{};
  TorchFile file;
  file.reader = std::make_shared<PickleReader>(bytes, where);
  file.root = &file.reader->read();
  file.locate = [where](const PickleValue& tensor) {
    TensorSource source = view_of(tensor, where);
    source.storage = storage;
    return source;
  };
  return file;
}

}  // namespace
}  // namespace resnet::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet::testing;
  read_hostile(size, [&] { read_torch_file(read_pickle, {data, size}); });
  return 0;
}
