#include "plugin/classify_state.h"

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
  longest_latency = 0;
  latencies = 0;
}

ClassifySettings::Frame ClassifyState::frame_settings() {
  const std::lock_guard lock(settings_mutex);
  return settings.frame;
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
