#include "plugin/classify_statistics.h"

#include <algorithm>
#include <vector>

namespace resnet {

void ClassifyStatistics::Mean::add(guint64 time) {
  count = std::min<guint64>(count + 1, window);
  value += (static_cast<double>(time) - value) / static_cast<double>(count);
}

void ClassifyStatistics::reset() {
  const std::lock_guard lock(mutex_);
  frames_ = inferences_ = reused_ = released_ = untouched_ = 0;
  conversion_ = waiting_ = network_ = {};
}

void ClassifyStatistics::add(const ClassifyJob& job, guint64 now, guint64 latency, bool released) {
  const std::lock_guard lock(mutex_);
  latencies_[frames_ % window] = latency;
  times_[frames_ % window] = now;
  ++frames_;
  if (job.kind == ClassifyJob::Kind::untouched) ++untouched_;
  if (job.kind == ClassifyJob::Kind::reuse) ++reused_;
  if (released) {
    ++released_;  // its requests are still the engine's
    return;
  }
  inferences_ += job.used;
  for (std::size_t i = 0; i < job.used; ++i) {
    const EngineRequest& request = *job.parts[i].request;
    conversion_.add(request.conversion_time);
    waiting_.add(request.waiting_time);
    network_.add(request.running_time);
  }
}

GstStructure* ClassifyStatistics::to_structure(const EngineStatistics& engine, unsigned queued) const {
  const std::lock_guard lock(mutex_);
  const std::size_t count = std::min<guint64>(frames_, window);
  std::vector<guint64> sorted(latencies_.begin(), latencies_.begin() + static_cast<std::ptrdiff_t>(count));
  std::sort(sorted.begin(), sorted.end());
  const auto percentile = [&](std::size_t percent) {
    return count == 0 ? guint64{0} : sorted[std::min(count - 1, count * percent / 100)];
  };
  double rate = 0;
  if (count > 1) {
    const guint64 last = times_[(frames_ - 1) % window], first = times_[(frames_ - count) % window];
    if (last > first) rate = static_cast<double>(count - 1) * 1e9 / static_cast<double>(last - first);
  }
  const double batch =
      engine.batches == 0 ? 0 : static_cast<double>(engine.frames) / static_cast<double>(engine.batches);
  return gst_structure_new(
      "resnetclassify-stats", "frames", G_TYPE_UINT64, frames_, "inferences", G_TYPE_UINT64, inferences_,
      "reused", G_TYPE_UINT64, reused_, "released", G_TYPE_UINT64, released_, "untouched", G_TYPE_UINT64,
      untouched_, "queued", G_TYPE_UINT, queued, "fps", G_TYPE_DOUBLE, rate, "latency-median", G_TYPE_UINT64,
      percentile(50), "latency-p95", G_TYPE_UINT64, percentile(95), "latency-p99", G_TYPE_UINT64,
      percentile(99), "conversion-time", G_TYPE_UINT64, conversion_.get(), "waiting-time", G_TYPE_UINT64,
      waiting_.get(), "network-time", G_TYPE_UINT64, network_.get(), "batches", G_TYPE_UINT64,
      static_cast<guint64>(engine.batches), "mean-batch", G_TYPE_DOUBLE, batch, "streams", G_TYPE_UINT64,
      static_cast<guint64>(engine.streams), nullptr);
}

}  // namespace resnet
