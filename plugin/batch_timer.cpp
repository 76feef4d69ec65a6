#include "plugin/batch_timer.h"

#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace resnet {

struct BatchTimer::Shared {
  std::mutex mutex;  // guards the rest; held while `expired` runs
  Expired expired;
  GstClockID id = nullptr;  // of the alarm that is set
};

BatchTimer::BatchTimer(Expired expired) : shared_(std::make_shared<Shared>()) {
  shared_->expired = std::move(expired);
}

BatchTimer::~BatchTimer() { cancel(); }

void BatchTimer::arm(GstClock* clock, GstClockTime time) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->id == nullptr) schedule(shared_, clock, time);
}

void BatchTimer::cancel() {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->id == nullptr) return;
  gst_clock_id_unschedule(shared_->id);
  gst_clock_id_unref(std::exchange(shared_->id, nullptr));
}

// The caller holds the mutex. A time that has passed rings at once, in the clock's thread.
void BatchTimer::schedule(const std::shared_ptr<Shared>& shared, GstClock* clock, GstClockTime time) {
  auto owner = std::make_unique<std::shared_ptr<Shared>>(shared);
  shared->id = gst_clock_new_single_shot_id(clock, time);
  gst_clock_id_wait_async(shared->id, ring, owner.release(),
                          [](gpointer data) { delete static_cast<std::shared_ptr<Shared>*>(data); });
}

gboolean BatchTimer::ring(GstClock* clock, GstClockTime, GstClockID id, gpointer data) {
  const std::shared_ptr<Shared> shared = *static_cast<std::shared_ptr<Shared>*>(data);
  const std::lock_guard lock(shared->mutex);
  if (shared->id != id) return TRUE;  // cancelled meanwhile
  const GstClockTime next = shared->expired(gst_clock_get_time(clock));
  gst_clock_id_unref(std::exchange(shared->id, nullptr));
  try {
    if (GST_CLOCK_TIME_IS_VALID(next)) schedule(shared, clock, next);
  } catch (const std::bad_alloc&) {
    shared->expired(next);  // too early is better than never
  }
  return TRUE;
}

}  // namespace resnet
