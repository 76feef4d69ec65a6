#include "model/engine_stream.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "model/error.h"
#include "model/labels.h"
#include "model/quote.h"

namespace resnet {

BatchingEngine::Stream::Stream(BatchingEngine& engine, const StreamOptions& options, EngineListener& listener)
    : engine_(engine),
      listener_(listener),
      batch_size_(static_cast<std::size_t>(std::max(1, options.batch_size))),
      output_{options.activation.value_or(engine.info_.activation), options.classes, options.features},
      classes_(engine.info_.classes),
      pixels_(engine.info_.preprocessing, TensorType::u8, TensorLayout::hwc) {
  if (options.classes && engine.num_classes_ == 0) {
    throw Error(ErrorCode::unsupported,
                "'" + engine.model_name_ + "' has no head ('fc.weight'): it gives features, but no classes");
  }
  if (!options.labels_file.empty()) {
    classes_ = read_fitting_labels(options.labels_file, engine.num_classes_);
  } else if (!classes_.empty()) {
    require_fitting(classes_, engine.num_classes_, quote(engine.model_name_));
  }
  for (std::size_t i = classes_.size(); i < engine.num_classes_; ++i) classes_.push_back(std::to_string(i));
  engine_.add(*this);
}

BatchingEngine::Stream::~Stream() { engine_.remove(*this); }

bool BatchingEngine::Stream::submit(const Image& image, const std::shared_ptr<EngineRequest>& request,
                                    const SubmitOptions& options) noexcept {
  Slot slot;
  slot.request = request;
  slot.stream = this;
  slot.wanted = output_;
  if (engine_.converts_later_ && options.pixels) {
    slot.image = image;
    slot.pixels = options.pixels;
  }
  const bool later = slot.pixels != nullptr;
  std::size_t index = 0;
  Batch* batch = engine_.reserve(std::move(slot), options, index);
  if (!batch) {
    last_.clear();  // what is like this picture was not classified
    return false;
  }
  if (!later) engine_.put(image, *request, *batch, index);
  engine_.written(*batch);
  return true;
}

bool BatchingEngine::Stream::is_like_the_last(const Image& image, double threshold) noexcept {
  try {
    const auto side = static_cast<std::size_t>(engine_.info_.preprocessing.crop_size);
    now_.resize(side * side * 3);
    pixels_.run(image, now_.data());
    if (last_.size() == now_.size()) {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < now_.size(); ++i)
        sum += static_cast<unsigned>(std::abs(now_[i] - last_[i]));
      if (sum == 0 || static_cast<double>(sum) < threshold * static_cast<double>(now_.size())) return true;
    }
    std::swap(now_, last_);
    return false;
  } catch (...) {
    return false;  // what is wrong with the picture, submit() says
  }
}

std::size_t BatchingEngine::Stream::waiting() const noexcept {
  const std::lock_guard lock(engine_.mutex_);
  return engine_.waiting(*this);
}

void BatchingEngine::Stream::go() noexcept { engine_.go(*this); }

}  // namespace resnet
