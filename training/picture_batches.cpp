#include "training/picture_batches.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <thread>

#include "model/executor_input.h"
#include "training/interrupt.h"
#include "training/loader.h"
#include "training/picture.h"
#include "training/progress.h"

namespace resnet {

bool for_each_batch(const std::vector<std::filesystem::path>& pictures, const Preprocessing& preprocessing,
                    at::Tensor& input, const std::string& title, Console& console, const OnBatch& on_batch,
                    const OnFailure& on_failure) {
  std::vector<std::size_t> order(pictures.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  LoaderOptions options;
  options.workers = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 8U));
  options.sample_bytes = slot_bytes(input);
  Loader loader(batches_of(order, static_cast<std::size_t>(input.size(0))), options, [&]() -> SampleWriter {
    const auto preprocessor = std::make_shared<Preprocessor>(make_preprocessor(preprocessing, input));
    return [&pictures, preprocessor](std::size_t index, std::uint8_t* out) {
      const RgbPicture picture = read_picture(pictures[index]);
      preprocessor->run(as_image(picture), out);
    };
  });
  ProgressBar bar(console, title, pictures.size());
  while (const std::optional<Batch> batch = loader.next()) {
    if (interrupted()) {
      return false;
    }
    for (const auto& [index, why] : batch->failures) {
      on_failure(index, why);
    }
    if (!batch->indices.empty()) {
      std::memcpy(input.data_ptr(), batch->bytes.data(), batch->bytes.size());
      at::Tensor present = input.narrow(0, 0, static_cast<std::int64_t>(batch->indices.size()));
      on_batch(batch->indices, present);
    }
    bar.advance(batch->indices.size() + batch->failures.size());
  }
  return true;
}

}  // namespace resnet
