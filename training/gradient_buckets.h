#ifndef RESNET_TRAINING_GRADIENT_BUCKETS_H
#define RESNET_TRAINING_GRADIENT_BUCKETS_H

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

#include <ATen/core/Tensor.h>

#include "training/process_group.h"

namespace resnet {

/// Sums gradients over processes while the rest of them is still being computed, in buckets of some megabytes
/// (Li et al. 2020, arXiv:2006.15704). In each process a parameter may have replicas, the gradients of which
/// are added first.
class GradientBuckets {
 public:
  /// @param replicas [replica][parameter], of the same shapes; not empty
  /// @param group must outlive this
  GradientBuckets(std::vector<std::vector<at::Tensor>> replicas, const ProcessGroup& group);
  ~GradientBuckets();
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  /// From now on a bucket is sent when the gradients of its parameters are there.
  /// @param replicas so many compute gradients until end()
  void begin(std::size_t replicas);
  /// Sends the buckets that are left, with zeros for a gradient that no replica has, and waits for the sums,
  /// which become the first replica's gradients. Those of the others are to be reset before the next step.
  void end();

 private:
  class Hook;

  struct Bucket {
    std::vector<std::size_t> parameters;
    at::Tensor sums;                      ///< flat, fp32
    std::vector<at::Tensor> pieces;       ///< of `sums`, one by parameter, with its shape and strides
    std::atomic<std::size_t> missing{0};  ///< gradients in this step
    bool filled = false;                  ///< under mutex_
    std::function<void()> wait;           ///< set when it is sent; under mutex_
  };

  void arrived(std::size_t bucket);
  void fill(Bucket& bucket) const;
  void send_filled();

  const std::vector<std::vector<at::Tensor>> replicas_;
  const ProcessGroup& group_;
  std::vector<Bucket> buckets_;  ///< in the order in which gradients come about
  std::atomic<bool> sending_{false};
  std::mutex mutex_;
  std::size_t sent_ = 0;  ///< buckets; under mutex_
};

}  // namespace resnet

#endif
