#ifndef RESNET_PLUGIN_CLASSIFY_STATISTICS_H
#define RESNET_PLUGIN_CLASSIFY_STATISTICS_H

#include <array>
#include <cstddef>
#include <mutex>

#include <gst/gst.h>

#include "plugin/classify_job.h"

namespace resnet {

/// What an element has done since it was started. For any thread.
class ClassifyStatistics {
 public:
  void reset();
  /// A frame leaves. @param latency ns that it was inside  @param released it did not wait for its results
  void add(const ClassifyJob& job, guint64 now, guint64 latency, bool released);
  /// "resnetclassify-stats" with counters (guint64), latencies and mean times in ns (guint64) and rates
  /// (double). `engine` is of the network, which elements may share.
  GstStructure* to_structure(const EngineStatistics& engine, unsigned queued) const;

 private:
  static constexpr std::size_t window = 512;  // frames that latencies and the rate are of

  /// The mean of a time over the window's length, older ones fading.
  struct Mean {
    double value = 0;
    guint64 count = 0;
    void add(guint64 time);
    guint64 get() const { return static_cast<guint64>(value); }
  };

  mutable std::mutex mutex_;  // guards everything below
  guint64 frames_ = 0, inferences_ = 0, reused_ = 0, released_ = 0, untouched_ = 0;
  Mean conversion_, waiting_, network_;
  std::array<guint64, window> latencies_{}, times_{};  // rings; times_ of leaving
};

}  // namespace resnet

#endif
