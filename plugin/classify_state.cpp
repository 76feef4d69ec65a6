#include "plugin/classify_state.h"

#include <algorithm>

namespace resnet {

void ClassifyState::Output::forget_results() {
  take_model(nullptr);
  late.clear();
}

void ClassifyState::Output::take_model(const std::shared_ptr<OpenModel>& taken) {
  if (tracked_model == taken) return;
  tracker.reset();
  regions.reset();
  features.reset();
  tracked_model = taken;
}

void ClassifyState::Output::reset() {
  gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
  forget_results();
  model.reset();
  announced.clear();
  has_announced = false;
  stats_posted = 0;
  exit_time = 0;
  longest_latency = 0;
  latencies = 0;
}

ClassifySettings::Frame ClassifyState::frame_settings() {
  const std::lock_guard lock(settings_mutex);
  return settings.frame;
}

unsigned ClassifyState::most_waiting() const {
  const GstClockTime picture_time = batch_time / batch_size, frame_time = frame_duration;
  if (batch_timeout > 0 || picture_time == 0 || frame_time == 0) return batch_size;
  return static_cast<unsigned>(std::clamp<GstClockTime>(frame_time / picture_time, 1, batch_size));
}

GstClockTime ClassifyState::most_latency(const ClassifySettings::Frame& frame) const {
  const GstClockTime frame_time = frame_duration;
  return frame.qos && frame_time > 0 ? max_in_flight * frame_time : GST_CLOCK_TIME_NONE;
}

GstClockTime ClassifyState::latency(const ClassifySettings::Frame& frame) const {
  const GstClockTime seen = seen_latency;
  const GstClockTime run = batch_time * most_waiting() / batch_size;
  return std::min(seen > 0 ? seen : batch_timeout + 2 * run, most_latency(frame));
}

std::shared_ptr<OpenModel> ClassifyState::current_model() {
  const std::lock_guard lock(model_mutex);
  return model;
}

void ClassifyState::send_batch() {
  if (batch_timeout == 0) return;
  if (const std::shared_ptr<OpenModel> current = current_model()) current->stream->go();
}

GstClockTime ClassifyState::send_expired_batch(GstClockTime now) {
  const GstClockTime deadline = queue.oldest_deadline();
  if (!GST_CLOCK_TIME_IS_VALID(deadline) || deadline > now) return deadline;
  send_batch();
  return GST_CLOCK_TIME_NONE;
}

}  // namespace resnet
