#ifndef RESNET_PLUGIN_BATCH_TIMER_H
#define RESNET_PLUGIN_BATCH_TIMER_H

#include <functional>
#include <memory>

#include <gst/gst.h>

namespace resnet {

/// One alarm on a GstClock.
class BatchTimer {
 public:
  /// Called in the clock's thread with the clock's time, while cancel() waits. @return when to call again;
  /// GST_CLOCK_TIME_NONE: not before the next arm()
  using Expired = std::function<GstClockTime(GstClockTime now)>;

  explicit BatchTimer(Expired expired);
  ~BatchTimer();
  BatchTimer(const BatchTimer&) = delete;
  BatchTimer& operator=(const BatchTimer&) = delete;

  /// Sets the alarm to a time of the clock, unless it is set already.
  void arm(GstClock* clock, GstClockTime time);
  /// Stops the alarm; when this returns, `expired` is not running and will not be called.
  void cancel();

 private:
  struct Shared;
  static gboolean ring(GstClock* clock, GstClockTime time, GstClockID id, gpointer data);
  static void schedule(const std::shared_ptr<Shared>& shared, GstClock* clock, GstClockTime time);

  std::shared_ptr<Shared> shared_;  // the clock may hold it longer than this object lives
};

}  // namespace resnet

#endif
