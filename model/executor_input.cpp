#include "model/executor_input.h"

#include <cstring>

#include "model/executor.h"

namespace resnet {
namespace {

/// Network input that the CPU makes of the pictures.
class PreprocessedBatch final : public BatchInput {
 public:
  PreprocessedBatch(Executor& executor, at::Tensor input)
      : executor_(executor), input_(std::move(input)), slot_bytes_(slot_bytes(input_)) {
    // What an error leaves unwritten must be numbers. Not zero_(), after which LibTorch's threads spin for a
    // while.
    std::memset(input_.mutable_data_ptr(), 0, input_.nbytes());
  }

  std::size_t capacity() const override { return static_cast<std::size_t>(input_.size(0)); }

  void put(std::size_t slot, const Image& image, Preprocessor& preprocessor, PicturePart part) override {
    const auto rows = static_cast<std::size_t>(input_.size(2));
    preprocessor.run_rows(image, static_cast<std::uint8_t*>(input_.data_ptr()) + slot * slot_bytes_,
                          rows * part.index / part.count, rows * (part.index + 1) / part.count);
  }

  NetworkOutput run(std::size_t n, const MakePicture& make_picture) override {
    const at::Tensor input = input_.narrow(0, 0, static_cast<std::int64_t>(n));
    return make_picture ? executor_.make_and_run(input, make_picture) : executor_.run(input);
  }

 private:
  Executor& executor_;
  at::Tensor input_;
  const std::size_t slot_bytes_;
};

}  // namespace

NetworkOutput Executor::make_and_run(const at::Tensor& input, const MakePicture& make_picture) {
  for (std::int64_t i = 0; i < input.size(0); ++i) make_picture(static_cast<std::size_t>(i), {});
  return run(input);
}

std::unique_ptr<BatchInput> Executor::make_batch(int n, int size) {
  return std::make_unique<PreprocessedBatch>(*this, make_input(n, size));
}

}  // namespace resnet
