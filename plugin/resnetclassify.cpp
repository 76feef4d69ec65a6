/**
 * SECTION:element-resnetclassify
 * @title: resnetclassify
 *
 * Classifies video frames with a ResNet that was trained with PyTorch or with this project's `resnet train`,
 * and annotates each with its classes (GstResnetClassificationMeta, see gstresnetmeta.h). Frames go through
 * the network in batches; they leave in order, with everything they came with.
 *
 * |[
 * gst-launch-1.0 filesrc location=flowers.webm ! decodebin ! resnetclassify model=resnet34.pth ! videoconvert
 * ! autovideosink
 * ]|
 *
 * A batch is whatever waits when the network is free, at most `batch-size` frames. With `batch-timeout` it
 * waits for company until its first frame has waited so long on the pipeline's clock, but no longer than to
 * the next serialised event or query, nor while the pipeline is not PLAYING or upstream is held back.
 *
 * Errors: RESOURCE for a model or label file that is missing, unreadable or does not fit, STREAM/WRONG_TYPE
 * for one that is corrupt, LIBRARY/INIT when LibTorch is not there. They fail the change to READY.
 *
 * Since: 0.1
 */

#include "plugin/resnetclassify.h"

#include <algorithm>
#include <utility>

#include <gst/video/video.h>

#include "plugin/allocation_query.h"
#include "plugin/batch_timer.h"
#include "plugin/classification_meta.h"
#include "plugin/classify_queue.h"
#include "plugin/classify_result.h"
#include "plugin/classify_settings.h"
#include "plugin/errors.h"
#include "plugin/frame_image.h"
#include "plugin/open_engine.h"
#include "plugin/overlay.h"

GST_DEBUG_CATEGORY_STATIC(resnet_classify_debug);
#define GST_CAT_DEFAULT resnet_classify_debug

namespace {

using resnet::ClassifyQueue;
using resnet::ClassifySettings;
using resnet::EngineRequest;

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE(RESNET_VIDEO_FORMATS) ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES(
        "memory:SystemMemory, meta:GstVideoOverlayComposition", RESNET_VIDEO_FORMATS)));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE(RESNET_VIDEO_FORMATS) ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES(
        "memory:SystemMemory, meta:GstVideoOverlayComposition", RESNET_VIDEO_FORMATS)));

// All of an element's C++ state.
struct Private {
  std::mutex settings_mutex;
  ClassifySettings settings;     // guarded by settings_mutex
  bool settings_opened = false;  // guarded by settings_mutex: the engine was opened with them

  // Set at NULL→READY, read by the streaming threads and the timer's, which do not run then.
  std::unique_ptr<resnet::Engine> engine;
  std::unique_ptr<resnet::EngineStream> stream;
  unsigned max_in_flight = 0;
  GstClockTime batch_timeout = 0;
  GstClockTime batch_time = 0;  // of a full batch, measured at READY→PAUSED

  ClassifyQueue queue;
  std::atomic<bool> playing{false};
  std::atomic<GstClockTime> frame_duration{0};  // 0: not known
  resnet::BatchTimer timer{[this](GstClockTime now) { return send_expired_batch(now); }};

  // Owned by the sink pad's streaming thread.
  GstVideoInfo sink_info{};
  bool have_caps = false;

  // Owned by the source pad's task.
  resnet::Overlay overlay;
  bool ask_downstream = false;  // caps are new: `overlay` has to negotiate

  // The frames that wait for company go now.
  void send_batch() {
    if (batch_timeout > 0 && engine) engine->go();
  }

  // The timer's: sends the batch whose first frame has waited long enough. @return when the next one has
  GstClockTime send_expired_batch(GstClockTime now) {
    const GstClockTime deadline = queue.oldest_deadline();
    if (!GST_CLOCK_TIME_IS_VALID(deadline) || deadline > now) return deadline;
    engine->go();
    return GST_CLOCK_TIME_NONE;
  }
};

}  // namespace

struct _GstResnetClassify {
  GstElement parent;
  GstPad* sinkpad;
  GstPad* srcpad;
  Private* priv;
};

G_DEFINE_TYPE_WITH_CODE(GstResnetClassify, gst_resnet_classify, GST_TYPE_ELEMENT,
                        GST_DEBUG_CATEGORY_INIT(resnet_classify_debug, "resnetclassify", 0,
                                                "ResNet video classifier"))

namespace {

GstResnetClassify* self_of(gpointer object) { return GST_RESNET_CLASSIFY(object); }

ClassifySettings settings_to_open(GstResnetClassify* self) {
  const std::lock_guard lock(self->priv->settings_mutex);
  self->priv->settings_opened = true;
  return self->priv->settings;
}

bool settings_are_opened(GstResnetClassify* self) {
  const std::lock_guard lock(self->priv->settings_mutex);
  return self->priv->settings_opened;
}

ClassifySettings::Annotation copy_annotation(GstResnetClassify* self) {
  const std::lock_guard lock(self->priv->settings_mutex);
  return self->priv->settings.annotation;
}

// Calls what may throw: an exception becomes an element error, because none may cross into C.
template <typename Work>
GstFlowReturn guarded(GstResnetClassify* self, Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(self, LIBRARY, FAILED, ("A frame could not be classified: %s.", error.what()),
                      (nullptr));
    return GST_FLOW_ERROR;
  }
}

// ---- Opening and closing the engine ----

bool open(GstResnetClassify* self) {
  Private& p = *self->priv;
  const ClassifySettings s = settings_to_open(self);
  p.engine = resnet::open_engine(GST_ELEMENT(self), s);
  if (!p.engine) return false;
  resnet::EngineError error;
  p.stream = p.engine->open_stream(p.queue, error);
  if (!p.stream) {
    p.engine.reset();
    resnet::post_engine_error(GST_ELEMENT(self), error);
    return false;
  }
  if (s.max_in_flight < s.batch_size) {
    GST_ELEMENT_WARNING(
        self, RESOURCE, SETTINGS,
        ("max-in-flight=%u is below batch-size=%u and was raised to it.", s.max_in_flight, s.batch_size),
        ("a batch could never fill"));
  }
  p.max_in_flight = std::max(s.max_in_flight, s.batch_size);
  p.batch_timeout = s.batch_timeout;
  GST_INFO_OBJECT(self, "opened %s: %s", s.model.c_str(), p.engine->description().c_str());
  return true;
}

void close(GstResnetClassify* self) {
  self->priv->stream.reset();
  self->priv->engine.reset();
}

// ---- Sink pad ----

// When the batch of a frame that comes now has to go at the latest.
GstClockTime deadline_of_now(GstResnetClassify* self, GstClock* clock) {
  return clock ? gst_clock_get_time(clock) + self->priv->batch_timeout : GST_CLOCK_TIME_NONE;
}

// A frame waits for company only while the element's clock can end that.
void watch_batch(GstResnetClassify* self, GstClock* clock, GstClockTime deadline) {
  Private& p = *self->priv;
  if (clock && p.playing) {
    p.timer.arm(clock, deadline);
    if (p.playing) return;
  }
  p.send_batch();
}

GstFlowReturn submit(GstResnetClassify* self, GstBuffer* buffer) {
  Private& p = *self->priv;
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &p.sink_info, buffer,
                           static_cast<GstMapFlags>(GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("A frame does not hold what its caps say."),
                      ("buffer of %" G_GSIZE_FORMAT " bytes", gst_buffer_get_size(buffer)));
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  GstClock* clock = p.batch_timeout > 0 ? gst_element_get_clock(GST_ELEMENT(self)) : nullptr;
  const GstClockTime deadline = deadline_of_now(self, clock);
  const auto request = std::make_shared<EngineRequest>();
  p.stream->submit(resnet::frame_image(frame), request);
  gst_video_frame_unmap(&frame);
  const bool queued = p.queue.push({GST_MINI_OBJECT_CAST(buffer), request, deadline});
  if (p.batch_timeout > 0) watch_batch(self, clock, deadline);
  if (clock) gst_object_unref(clock);
  return queued ? GST_FLOW_OK : p.queue.flow();
}

GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  GstResnetClassify* self = self_of(parent);
  Private& p = *self->priv;
  if (!p.have_caps) {
    gst_buffer_unref(buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (p.queue.full(p.max_in_flight)) p.send_batch();  // nobody else can fill the batch
  const GstFlowReturn flow = p.queue.wait_for_room(p.max_in_flight);
  if (flow != GST_FLOW_OK) {
    gst_buffer_unref(buffer);
    return flow;
  }
  return guarded(self, [&] { return submit(self, buffer); });
}

void pause_task(GstResnetClassify* self) { gst_pad_pause_task(self->srcpad); }

bool set_sink_caps(Private& p, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  p.have_caps = gst_video_info_from_caps(&p.sink_info, caps) != FALSE;
  if (!p.have_caps) return false;
  const gint fps_n = GST_VIDEO_INFO_FPS_N(&p.sink_info), fps_d = GST_VIDEO_INFO_FPS_D(&p.sink_info);
  p.frame_duration = fps_n > 0 ? gst_util_uint64_scale_int(GST_SECOND, fps_d, fps_n) : 0;
  return true;
}

void loop(gpointer data);

gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstResnetClassify* self = self_of(parent);
  Private& p = *self->priv;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START: {
      const gboolean result = gst_pad_push_event(self->srcpad, event);
      p.queue.flush(self->srcpad);
      p.send_batch();  // what it holds is dropped; the frames behind the flush are not to wait with it
      pause_task(self);
      return result;
    }
    case GST_EVENT_FLUSH_STOP: {
      const gboolean result = gst_pad_push_event(self->srcpad, event);
      p.ask_downstream = true;  // the flush may have kept a CAPS event on the pad; the task does not run
      p.queue.start();
      gst_pad_start_task(self->srcpad, loop, self, nullptr);
      return result;
    }
    case GST_EVENT_CAPS:
      if (!set_sink_caps(p, event)) {
        gst_event_unref(event);
        return FALSE;
      }
      break;
    case GST_EVENT_STREAM_START:
    case GST_EVENT_SEGMENT:
      p.queue.accept_buffers();
      break;
    default:
      break;
  }
  if (!GST_EVENT_IS_SERIALIZED(event)) return gst_pad_event_default(pad, parent, event);
  const bool eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
  p.send_batch();  // frames in front of an event wait for no company
  if (p.queue.push({.object = GST_MINI_OBJECT_CAST(event)})) return TRUE;
  const GstFlowReturn flow = p.queue.flow();
  // Upstream may have nothing more to send that would return the error.
  if (eos && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS)) GST_ELEMENT_FLOW_ERROR(self, flow);
  return FALSE;
}

gboolean sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  GstResnetClassify* self = self_of(parent);
  Private& p = *self->priv;
  if (!GST_QUERY_IS_SERIALIZED(query)) return gst_pad_query_default(pad, parent, query);
  p.send_batch();
  return p.queue.push_query(query).value_or(false);
}

// ---- Source pad's task ----

// Downstream is asked when it has the caps, and again when it wants to negotiate anew.
void prepare_overlay(GstResnetClassify* self) {
  Private& p = *self->priv;
  const bool reconfigure = gst_pad_check_reconfigure(self->srcpad);
  if (std::exchange(p.ask_downstream, false) || reconfigure) p.overlay.negotiate(self->srcpad);
}

GstFlowReturn finish_buffer(GstResnetClassify* self, GstBuffer* buffer, const EngineRequest& request) {
  Private& p = *self->priv;
  if (request.error) {
    resnet::post_engine_error(GST_ELEMENT(self), request.error);
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  const ClassifySettings::Annotation annotation = copy_annotation(self);
  resnet::Classification classification =
      resnet::make_classification(*p.engine, request, annotation, GST_OBJECT_NAME(self));
  if (annotation.overlay) {
    prepare_overlay(self);
    buffer = p.overlay.apply(buffer, resnet::caption_lines(classification), classification.drawn);
  }
  buffer = gst_buffer_make_writable(buffer);
  resnet::add_classification_meta(buffer, classification);
  return gst_pad_push(self->srcpad, buffer);
}

bool forward_query(GstResnetClassify* self, GstQuery* query) {
  const bool answered = gst_pad_peer_query(self->srcpad, query) != FALSE;
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return answered;
  resnet::add_held_buffers(query, self->priv->max_in_flight);  // frames are held until their batch is done
  return true;
}

// Downstream gets the event. @return whether frames may follow it
bool forward_event(GstResnetClassify* self, GstEvent* event) {
  Private& p = *self->priv;
  const bool is_caps = GST_EVENT_TYPE(event) == GST_EVENT_CAPS;
  if (is_caps) p.ask_downstream = true;
  return gst_pad_push_event(self->srcpad, event) || !is_caps || GST_PAD_IS_FLUSHING(self->srcpad);
}

void stop_after(GstResnetClassify* self, GstFlowReturn flow) {
  GST_DEBUG_OBJECT(self, "downstream returned %s", gst_flow_get_name(flow));
  if (flow == GST_FLOW_EOS) {
    self->priv->queue.refuse_buffers();  // the EOS event still has to pass
    return;
  }
  self->priv->queue.stop(flow);
  pause_task(self);
}

void loop(gpointer data) {
  GstResnetClassify* self = self_of(data);
  std::optional<ClassifyQueue::Item> item = self->priv->queue.pop();
  if (!item) {
    pause_task(self);
    return;
  }
  if (GST_IS_BUFFER(item->object)) {
    const GstFlowReturn flow =
        guarded(self, [&] { return finish_buffer(self, GST_BUFFER_CAST(item->object), *item->request); });
    if (flow != GST_FLOW_OK) stop_after(self, flow);
  } else if (GST_IS_EVENT(item->object)) {
    if (!forward_event(self, GST_EVENT_CAST(item->object))) stop_after(self, GST_FLOW_NOT_NEGOTIATED);
  } else {
    self->priv->queue.answer_query(forward_query(self, GST_QUERY_CAST(item->object)));
  }
}

gboolean src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstResnetClassify* self = self_of(parent);
  // As in GStreamer's queue: a new peer may want what the one that is gone could not take.
  if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE &&
      self->priv->queue.restart_after(GST_FLOW_NOT_LINKED)) {
    gst_pad_start_task(self->srcpad, loop, self, nullptr);
  }
  return gst_pad_event_default(pad, parent, event);
}

gboolean src_activate_mode(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active) {
  GstResnetClassify* self = self_of(parent);
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (active) {
    self->priv->queue.start();
    return gst_pad_start_task(pad, loop, self, nullptr);
  }
  self->priv->queue.stop(GST_FLOW_FLUSHING);
  return gst_pad_stop_task(pad);
}

gboolean sink_activate_mode(GstPad*, GstObject* parent, GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (!active) self_of(parent)->priv->queue.stop(GST_FLOW_FLUSHING);  // lets the chain function go
  return TRUE;
}

// ---- Latency ----

gboolean src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  GstResnetClassify* self = self_of(parent);
  Private& p = *self->priv;
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  if (!gst_pad_peer_query(self->sinkpad, query)) return FALSE;
  gboolean live = FALSE;
  GstClockTime least = 0, most = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  const GstClockTime own = p.batch_timeout + p.batch_time + (p.stream ? p.stream->conversion_time() : 0);
  least += own;
  if (GST_CLOCK_TIME_IS_VALID(most)) most += std::max(own, p.max_in_flight * p.frame_duration);
  gst_query_set_latency(query, live, least, most);
  return TRUE;
}

// ---- GObject ----

bool warm_up(GstResnetClassify* self) {
  if (!settings_are_opened(self)) {  // properties were set in READY
    close(self);
    if (!open(self)) return false;
  }
  resnet::EngineError error;
  self->priv->batch_time = self->priv->engine->warm_up(error);
  if (error) resnet::post_engine_error(GST_ELEMENT(self), error);
  return !error;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  GstResnetClassify* self = self_of(element);
  Private& p = *self->priv;
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!open(self)) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!warm_up(self)) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      p.playing = true;
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      p.playing = false;
      p.timer.cancel();
      p.send_batch();
      break;
    default:
      break;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_resnet_classify_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    p.timer.cancel();  // a frame may have set it meanwhile
    p.have_caps = false;
  }
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) close(self);
  return result;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Private& p = *self_of(object)->priv;
  const std::lock_guard lock(p.settings_mutex);
  if (resnet::set_classify_property(p.settings, object, id, value, spec)) p.settings_opened = false;
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Private& p = *self_of(object)->priv;
  const std::lock_guard lock(p.settings_mutex);
  resnet::get_classify_property(p.settings, object, id, value, spec);
}

void finalize(GObject* object) {
  delete self_of(object)->priv;
  G_OBJECT_CLASS(gst_resnet_classify_parent_class)->finalize(object);
}

}  // namespace

static void gst_resnet_classify_class_init(GstResnetClassifyClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  element_class->change_state = change_state;
  resnet::install_classify_properties(object_class);
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "ResNet video classifier", "Filter/Analyzer/Video",
      "Annotates video frames with the classes that a PyTorch ResNet sees in them", "The gst-resnet authors");
}

static void gst_resnet_classify_init(GstResnetClassify* self) {
  resnet::register_classification_meta();
  self->priv = new Private;
  self->sinkpad = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sinkpad, chain);
  gst_pad_set_event_function(self->sinkpad, sink_event);
  gst_pad_set_query_function(self->sinkpad, sink_query);
  gst_pad_set_activatemode_function(self->sinkpad, sink_activate_mode);
  GST_PAD_SET_PROXY_CAPS(self->sinkpad);
  GST_PAD_SET_PROXY_SCHEDULING(self->sinkpad);
  gst_element_add_pad(GST_ELEMENT(self), self->sinkpad);
  self->srcpad = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_event_function(self->srcpad, src_event);
  gst_pad_set_query_function(self->srcpad, src_query);
  gst_pad_set_activatemode_function(self->srcpad, src_activate_mode);
  GST_PAD_SET_PROXY_CAPS(self->srcpad);
  gst_element_add_pad(GST_ELEMENT(self), self->srcpad);
}
