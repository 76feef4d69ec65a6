#ifndef RESNET_MODEL_ENGINE_STREAM_H
#define RESNET_MODEL_ENGINE_STREAM_H

#include <condition_variable>
#include <string>
#include <vector>

#include "model/batching_engine.h"
#include "model/preprocess.h"

namespace resnet {

/// One user of a BatchingEngine.
class BatchingEngine::Stream final : public EngineStream {
 public:
  /// @throws Error unsupported: no classes are to be had; as read_fitting_labels()
  Stream(BatchingEngine& engine, const StreamOptions& options, EngineListener& listener);
  ~Stream() override;

  const std::vector<std::string>& classes() const noexcept override { return classes_; }
  Activation activation() const noexcept override { return output_.activation; }
  bool submit(const Image& image, const std::shared_ptr<EngineRequest>& request,
              const SubmitOptions& options) noexcept override;
  void forget_the_last() noexcept override { last_.clear(); }
  bool is_like_the_last(const Image& image, double threshold) noexcept override;
  std::size_t waiting() const noexcept override;
  void go() noexcept override;

  std::size_t batch_size() const { return batch_size_; }
  void tell() noexcept { listener_.results_ready(); }
  std::condition_variable& turn() { return turn_; }

  int telling = 0;  ///< threads that do it now; guarded by the engine's lock

 private:
  BatchingEngine& engine_;
  EngineListener& listener_;
  const std::size_t batch_size_;
  const Output output_;
  std::vector<std::string> classes_;
  std::condition_variable turn_;  // has come: for submit()
  Preprocessor pixels_;           // for is_like_the_last, with the two pictures that it compares
  std::vector<std::uint8_t> now_, last_;
};

}  // namespace resnet

#endif
