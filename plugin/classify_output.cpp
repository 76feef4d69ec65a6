#include "plugin/classify_output.h"

#include <optional>
#include <utility>

#include "plugin/analytics_meta.h"
#include "plugin/classification_meta.h"
#include "plugin/classify_regions.h"
#include "plugin/classify_result.h"
#include "plugin/errors.h"
#include "plugin/region_results.h"

#define GST_CAT_DEFAULT resnet_classify_debug

namespace resnet {

namespace {

using Frame = ClassifySettings::Frame;
using Kind = ClassifyJob::Kind;

// Latencies are looked at so many at a time before a lower one is told.
constexpr unsigned latency_window = 256;

// @return the first error among a job's results, or nothing
const EngineError* error_of(const ClassifyJob& job) {
  for (std::size_t i = 0; i < job.used; ++i) {
    if (job.parts[i].request->error) return &job.parts[i].request->error;
  }
  return nullptr;
}

void track(ClassifyState::Output& out, const std::shared_ptr<ClassifyJob>& job, GstClockTime pts,
           const Frame& settings) {
  if (job->used == 0) return;
  out.take_model(job->model);
  out.tracker.add(job->parts[0].request->probabilities, pts, smoothing_of(*job->model, settings));
  out.features = share_features(job, 0);
}

bool is_of_regions(const ClassifyJob& job) { return job.used > 0 && job.parts[0].number >= 0; }

// Results of frames that left without them are the last ones for those behind.
// @return the error of one that failed
std::optional<EngineError> track_late_jobs(ClassifyState::Output& out, const Frame& settings) {
  while (!out.late.empty() && out.late.front().job->done()) {
    const ClassifyState::LateJob late = std::move(out.late.front());
    out.late.pop_front();
    // A model that does not serve any more has nothing to say, however late it is.
    if (late.job->model != out.model) continue;
    if (const EngineError* error = error_of(*late.job)) return *error;
    if (is_of_regions(*late.job)) {
      track_late_regions(out, late.job, late.pts, settings);
    } else {
      track(out, late.job, late.pts, settings);
    }
    late.job->model.reset();  // who reads its features must not keep it
  }
  return std::nullopt;
}

Classification make_classification(GstElement* element, const ClassifyState::Output& out, GstBuffer* buffer,
                                   const Frame& settings) {
  Classification result;
  result.model = out.tracked_model->engine->model_name();
  result.digest = out.tracked_model->engine->digest();
  result.stream = GST_OBJECT_NAME(element);
  result.age = out.tracker.age_at(GST_BUFFER_PTS(buffer));
  result.has_classes = !out.tracker.probabilities().empty();
  result.scores = class_scores(*out.tracked_model, out.tracker, settings);
  result.features = out.features;
  return result;
}

void post(GstElement* element, GstStructure* structure) {
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), structure));
}

// "resnetclassify-change": `label` (not there: none of these), `label-id`, `probability`, `previous-label`,
// and `pts`, `running-time` and `stream-time` of the frame in ns.
void announce_change(GstElement* element, ClassifyState::Output& out, GstBuffer* buffer,
                     const Classification& now) {
  const std::string label = now.scores.empty() ? std::string() : now.scores.front().label;
  if (out.has_announced && label == out.announced) return;
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  const bool timed = out.segment.format == GST_FORMAT_TIME;
  GstStructure* s = gst_structure_new(
      "resnetclassify-change", "pts", G_TYPE_UINT64, pts, "running-time", G_TYPE_UINT64,
      timed ? gst_segment_to_running_time(&out.segment, GST_FORMAT_TIME, pts) : GST_CLOCK_TIME_NONE,
      "stream-time", G_TYPE_UINT64,
      timed ? gst_segment_to_stream_time(&out.segment, GST_FORMAT_TIME, pts) : GST_CLOCK_TIME_NONE, nullptr);
  if (!now.scores.empty()) {
    gst_structure_set(s, "label", G_TYPE_STRING, valid_utf8(label).c_str(), "label-id", G_TYPE_INT,
                      now.scores.front().id, "probability", G_TYPE_DOUBLE, now.scores.front().probability,
                      nullptr);
  }
  if (out.has_announced && !out.announced.empty()) {
    gst_structure_set(s, "previous-label", G_TYPE_STRING, valid_utf8(out.announced).c_str(), nullptr);
  }
  post(element, s);
  out.announced = label;
  out.has_announced = true;
}

// "resnetclassify-model" when another model was set and serves from this frame on: `model`, `digest`,
// `description` ("resnet34, cpu bf16") and the frame's `pts`.
void announce_model(GstElement* element, ClassifyState::Output& out, const ClassifyJob& job,
                    GstBuffer* buffer) {
  if (out.model == job.model) return;
  const bool is_first = out.model == nullptr;
  out.model = job.model;
  if (is_first) return;
  const Engine& engine = *job.model->engine;
  post(element, gst_structure_new("resnetclassify-model", "model", G_TYPE_STRING,
                                  valid_utf8(engine.model_name()).c_str(), "digest", G_TYPE_STRING,
                                  valid_utf8(engine.digest()).c_str(), "description", G_TYPE_STRING,
                                  valid_utf8(engine.description()).c_str(), "pts", G_TYPE_UINT64,
                                  GST_BUFFER_PTS(buffer), nullptr));
}

// A latency that was exceeded is raised by a quarter more; one that is twice too long for a while is lowered.
void update_latency(GstElement* element, ClassifyState& s, const Frame& settings, GstClockTime latency) {
  ClassifyState::Output& out = s.output;
  out.longest_latency = std::max(out.longest_latency, latency);
  const GstClockTime told = s.latency(settings);
  const bool low = ++out.latencies >= latency_window && out.longest_latency < told / 2;
  if (latency > told || low) {
    s.seen_latency = out.longest_latency + out.longest_latency / 4;
    const GstClockTime now = s.latency(settings);
    if (now != told) {
      GST_INFO_OBJECT(element, "latency is now %" GST_TIME_FORMAT, GST_TIME_ARGS(now));
      gst_element_post_message(element, gst_message_new_latency(GST_OBJECT(element)));
    }
  }
  if (latency > told || out.latencies >= latency_window) {
    out.longest_latency = 0;
    out.latencies = 0;
  }
}

// A frame takes until its results are there, those in front of it have left and it is annotated. How long
// downstream holds the frames in front of it is not the element's latency: told as that, a sink would wait
// for it and hold them the longer.
guint64 latency_of(ClassifyState& s, const ClassifyJob& job, const Frame& settings, bool released,
                   guint64 popped, guint64 now) {
  const guint64 longest = s.most_latency(settings);
  const guint64 ready = !released                          ? job.done_time()
                        : GST_CLOCK_TIME_IS_VALID(longest) ? std::min(popped, job.arrival + longest)
                                                           : popped;
  s.output.exit_time = std::max(s.output.exit_time, ready) + (now - popped);
  return s.output.exit_time - job.arrival;
}

// @param popped when it left the queue
void note_passed(GstElement* element, ClassifyState& s, const ClassifyJob& job, const Frame& settings,
                 bool released, guint64 popped) {
  const guint64 now = steady_time();
  const guint64 latency = latency_of(s, job, settings, released, popped, now);
  GST_LOG_OBJECT(element, "out after %" G_GUINT64_FORMAT " us", latency / 1000);
  s.statistics.add(job, now, latency, released);
  if (s.live && job.kind != Kind::untouched) update_latency(element, s, settings, latency);
  if (settings.stats_interval > 0 && now - s.output.stats_posted >= settings.stats_interval) {
    s.output.stats_posted = now;
    post(element, make_statistics(s));
  }
}

// Downstream is asked when it has the caps, and again when it wants to negotiate anew.
void prepare_overlay(ClassifyState::Output& out, GstPad* source_pad) {
  const bool reconfigure = gst_pad_check_reconfigure(source_pad);
  if (std::exchange(out.ask_downstream, false) || reconfigure) out.overlay.negotiate(source_pad);
}

// @param job with its results, or none
BufferPtr annotate_frame_regions(GstElement* element, GstPad* source_pad, ClassifyState::Output& out,
                                 BufferPtr buffer, const std::shared_ptr<ClassifyJob>& job,
                                 const Frame& settings) {
  if (find_regions(buffer.get()).empty()) return buffer;
  buffer = make_writable(std::move(buffer));
  annotate_regions(out, job, buffer.get(), settings, GST_OBJECT_NAME(element));
  if (!settings.overlay) return buffer;
  prepare_overlay(out, source_pad);
  bool drawn = false;
  out.shown.lines.clear();
  read_caption_regions(buffer.get(), 0, out.shown.regions);
  buffer = out.overlay.apply(std::move(buffer), out.shown, drawn);
  if (drawn) mark_regions_drawn(buffer.get());
  return buffer;
}

BufferPtr annotate_frame(GstElement* element, GstPad* source_pad, ClassifyState::Output& out,
                         BufferPtr buffer, const Frame& settings) {
  Classification classification = make_classification(element, out, buffer.get(), settings);
  if (classification.scores.empty()) {
    GST_LOG_OBJECT(element, "none of the classes");
  } else {
    const ClassScore& best = classification.scores.front();
    GST_LOG_OBJECT(element, "%s %.3f", best.label.c_str(), best.probability);
  }
  if (settings.on_change && classification.has_classes)
    announce_change(element, out, buffer.get(), classification);
  if (settings.overlay && classification.has_classes) {
    prepare_overlay(out, source_pad);
    caption_lines(classification, out.shown.lines);
    out.shown.regions.clear();
    read_drawn(buffer.get(), out.shown.above);
    buffer = out.overlay.apply(std::move(buffer), out.shown, classification.drawn);
  }
  buffer = make_writable(std::move(buffer));
  add_classification_meta(buffer.get(), classification);
  add_analytics_classes(buffer.get(), classification.scores);
  return buffer;
}

}  // namespace

GstFlowReturn finish_frame(GstElement* element, GstPad* source_pad, ClassifyState& s,
                           ClassifyQueue::Item item) {
  const guint64 popped = steady_time();
  BufferPtr buffer(GST_BUFFER_CAST(item.object));
  const Frame settings = s.frame_settings();
  ClassifyState::Output& out = s.output;
  const ClassifyJob& job = *item.job;
  const GstClockTime pts = GST_BUFFER_PTS(buffer.get());
  announce_model(element, out, job, buffer.get());
  std::optional<EngineError> error = track_late_jobs(out, settings);
  const bool released = !job.done();
  if (const EngineError* own = released ? nullptr : error_of(job)) error = *own;
  if (error) {
    post_engine_message(element, GST_MESSAGE_ERROR, *error);
    return GST_FLOW_ERROR;
  }
  if (released) {
    GST_DEBUG_OBJECT(element, "frame %" GST_TIME_FORMAT " leaves without its result: the next one needs room",
                     GST_TIME_ARGS(pts));
    out.late.push_back({item.job, pts});
  } else if (!is_of_regions(job)) {
    track(out, item.job, pts, settings);
  }
  if (job.kind != Kind::untouched) {
    if (settings.inference_region == InferenceRegion::roi_list) {
      buffer = annotate_frame_regions(element, source_pad, out, std::move(buffer),
                                      is_of_regions(job) && !released ? item.job : nullptr, settings);
    } else if (!out.tracker.empty()) {
      buffer = annotate_frame(element, source_pad, out, std::move(buffer), settings);
    }
  }
  note_passed(element, s, job, settings, released, popped);
  // The model may be the last one's user of memory, and the push may wait.
  if (!released) item.job->model.reset();
  item.job.reset();
  return gst_pad_push(source_pad, buffer.release());
}

void note_event(ClassifyState& s, GstEvent* event) {
  s.output.overlay.follow(event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) s.output.ask_downstream = true;
  if (GST_EVENT_TYPE(event) != GST_EVENT_SEGMENT) return;
  gst_event_copy_segment(event, &s.output.segment);
  s.output.forget_results();
}

GstStructure* make_statistics(ClassifyState& s) {
  const std::shared_ptr<OpenModel> model = s.current_model();
  return s.statistics.to_structure(model ? model->engine->statistics() : EngineStatistics{}, s.queue.size());
}

}  // namespace resnet
