#ifndef RESNET_MODEL_TENSOR_DIGEST_H
#define RESNET_MODEL_TENSOR_DIGEST_H

#include <atomic>
#include <future>
#include <string>

#include "model/checkpoint.h"

namespace resnet {

/// "sha256:…" over every tensor in the order of its name: name, type, shape and little-endian bytes, so
/// that the same weights have the same digest in either format. `num_batches_tracked` is left out.
std::string tensor_digest(const NamedTensors& tensors);

/// tensor_digest() in a thread of its own, which lets go of a tensor when it has read it.
class RunningDigest {
 public:
  explicit RunningDigest(const NamedTensors& tensors);

  /// Returns when the tensor of that name, if there is one, will not be read any more.
  void wait_for(const std::string& name) const;

  /// Waits for all. May be called once.
  std::string get() { return digest_.get(); }

 private:
  std::string run();

  NamedTensors tensors_;  // those that count, by name
  std::atomic<std::size_t> read_ = 0;
  std::future<std::string> digest_;  // destroyed first: waits for the thread
};

}  // namespace resnet

#endif
