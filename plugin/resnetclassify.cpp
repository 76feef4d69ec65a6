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
 * Elements in one process that ask for the same model, device, precision and threads share one network in
 * memory; their frames go through it together. A batch is whatever waits when the network is free, at most
 * `batch-size` frames. With `batch-timeout` it
 * waits for company until its first frame has waited so long on the pipeline's clock, but no longer than to
 * the next serialised event or query, nor while the pipeline is not PLAYING or upstream is held back.
 *
 * Probabilities are softmax(logits / temperature), with the temperature that the model file states; one that
 * `resnet evaluate --calibrate` fitted makes them mean how often such an answer is right. The file suggests
 * the `threshold` too: a frame of which no class is as probable as that gets an empty list of classes, none
 * of these, and the overlay draws nothing.
 *
 * No frame is ever dropped. With `inference-interval`, and with `qos` when a frame is late or a live source
 * is faster than the network, frames carry the last result with its age. With `inference-region=roi-list`
 * each GstVideoRegionOfInterestMeta is classified instead of the frame, and gets a parameter `classification`
 * with `label`, `label_id`, `confidence` and `model_name`; frames in between carry the last results of their
 * regions, which are told from each other by the number of a tracker (DL Streamer's `object_id`,
 * GstAnalyticsTrackingMtd), else by their type and place. Several elements in a row each add a result.
 *
 * Built with GStreamer 1.24 or newer, it also writes what GStreamer's own analytics elements read: a
 * GstAnalyticsClsMtd with the classes, best first, in the frame's GstAnalyticsRelationMeta; none for none of
 * these. With `inference-region=roi-list` each GstAnalyticsODMtd is a region too, its object type the
 * region's type; its GstAnalyticsClsMtd and it are related to each other (RELATE_TO), and in frames with a
 * classified region each gets a GstVideoRegionOfInterestMeta with its id. A meta and an object of the same
 * place are one region. GStreamer removes nothing from a GstAnalyticsRelationMeta: behind several
 * resnetclassify in a row a frame or object has one GstAnalyticsClsMtd of each, in their order.
 *
 * Element messages: `resnetclassify-change` with `on-change`: `label` (not there: none of these), `label-id`,
 * `probability`, `previous-label`, `pts`, `running-time`, `stream-time`; `resnetclassify-model` when a
 * `model` set while PLAYING serves: `model`, `digest`, `description`, `pts`; `resnetclassify-stats` each
 * `stats-interval`, with the fields of the property `stats`: `frames`, `inferences`, `reused`, `released`
 * (left before their results), `untouched`, `queued`, `fps`, `latency-median`, `latency-p95`, `latency-p99`,
 * `conversion-time`, `waiting-time`, `network-time`, and of the network with all its users `batches`,
 * `mean-batch`, `streams`. Times are nanoseconds.
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
#include "plugin/classification_meta.h"
#include "plugin/classify_input.h"
#include "plugin/classify_model.h"
#include "plugin/classify_output.h"
#include "plugin/classify_state.h"
#include "plugin/frame_image.h"
#include "plugin/gst_ptr.h"
#include "plugin/guarded.h"

GST_DEBUG_CATEGORY(resnet_classify_debug);
#define GST_CAT_DEFAULT resnet_classify_debug

struct _GstResnetClassify {
  GstElement parent;
  GstPad* sinkpad;
  GstPad* srcpad;
  resnet::ClassifyState* state;
};

G_DEFINE_TYPE_WITH_CODE(GstResnetClassify, gst_resnet_classify, GST_TYPE_ELEMENT,
                        GST_DEBUG_CATEGORY_INIT(resnet_classify_debug, "resnetclassify", 0,
                                                "ResNet video classifier"))

namespace {

using resnet::ClassifyQueue;
using resnet::ClassifyState;

#define CAPS                                                                                    \
  GST_VIDEO_CAPS_MAKE(RESNET_VIDEO_FORMATS)                                                     \
  ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES("memory:SystemMemory, meta:GstVideoOverlayComposition", \
                                        RESNET_VIDEO_FORMATS)

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

GstResnetClassify* self_of(gpointer object) { return GST_RESNET_CLASSIFY(object); }
ClassifyState& state_of(gpointer object) { return *self_of(object)->state; }

constexpr const char* no_frame = "A frame could not be classified";
constexpr const char* no_event = "An event could not be passed on";

// Whether somebody has to be told of it.
bool is_failure(GstFlowReturn flow) { return flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS; }

// ---- Sink pad ----

GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  GstResnetClassify* self = self_of(parent);
  ClassifyState& s = *self->state;
  if (!s.input.have_caps) {
    gst_buffer_unref(buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (s.queue.full(s.max_in_flight)) {
    s.send_batch();  // nobody else can fill the batch
    if (s.live && s.frame_settings().qos) s.queue.release_for_room(s.max_in_flight);
  }
  const GstFlowReturn flow = s.queue.wait_for_room(s.max_in_flight);
  if (flow != GST_FLOW_OK) {
    gst_buffer_unref(buffer);
    return flow;
  }
  return resnet::guarded(self, GST_FLOW_ERROR, no_frame, [&] {
    return resnet::submit_frame(GST_ELEMENT(self), s, resnet::BufferPtr(buffer));
  });
}

bool set_sink_caps(GstResnetClassify* self, GstEvent* event) {
  ClassifyState& s = *self->state;
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  s.input.have_caps = gst_video_info_from_caps(&s.input.info, caps) != FALSE;
  if (!s.input.have_caps) return false;
  const gint fps_n = GST_VIDEO_INFO_FPS_N(&s.input.info), fps_d = GST_VIDEO_INFO_FPS_D(&s.input.info);
  GST_DEBUG_OBJECT(self, "frames will be %" GST_PTR_FORMAT, static_cast<void*>(caps));
  s.frame_duration = fps_n > 0 ? gst_util_uint64_scale_int(GST_SECOND, fps_d, fps_n) : 0;
  return true;
}

void start_segment(ClassifyState& s, GstEvent* event) {
  gst_event_copy_segment(event, &s.input.segment);
  s.input.frames = 0;
  s.input.last_pts = GST_CLOCK_TIME_NONE;
  s.input.regions.reset();
  if (const auto model = s.current_model()) model->stream->forget_the_last();
  s.earliest_time = GST_CLOCK_TIME_NONE;
  s.queue.accept_buffers();
}

void loop(gpointer data);

gboolean flush_start(GstResnetClassify* self, GstEvent* event) {
  ClassifyState& s = *self->state;
  const gboolean result = gst_pad_push_event(self->srcpad, event);
  s.queue.flush(self->srcpad);
  s.send_batch();  // what it holds is dropped; the frames behind the flush are not to wait with it
  gst_pad_pause_task(self->srcpad);
  return result;
}

gboolean flush_stop(GstResnetClassify* self, GstEvent* event) {
  ClassifyState& s = *self->state;
  const gboolean result = gst_pad_push_event(self->srcpad, event);
  s.earliest_time = GST_CLOCK_TIME_NONE;
  s.output.reset();  // the task does not run
  // The flush may have kept events on the pad that the task has not seen.
  s.output.ask_downstream = true;
  gst_pad_sticky_events_foreach(
      self->srcpad,
      [](GstPad*, GstEvent** kept, gpointer overlay) -> gboolean {
        static_cast<resnet::Overlay*>(overlay)->follow(*kept);
        return TRUE;
      },
      &s.output.overlay);
  s.queue.start();
  gst_pad_start_task(self->srcpad, loop, self, nullptr);
  return result;
}

gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstResnetClassify* self = self_of(parent);
  ClassifyState& s = *self->state;
  resnet::follow_orientation(s.input.orientation, event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
      return flush_start(self, event);
    case GST_EVENT_FLUSH_STOP:
      return flush_stop(self, event);
    case GST_EVENT_CAPS:
      if (!set_sink_caps(self, event)) {
        gst_event_unref(event);
        return FALSE;
      }
      break;
    case GST_EVENT_STREAM_START:
      s.queue.accept_buffers();
      break;
    case GST_EVENT_SEGMENT:
      start_segment(s, event);
      break;
    default:
      break;
  }
  if (!GST_EVENT_IS_SERIALIZED(event)) return gst_pad_event_default(pad, parent, event);
  const bool eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
  s.send_batch();  // frames in front of an event wait for no company
  const bool queued = resnet::guarded(self, false, no_event,
                                      [&] { return s.queue.push({.object = GST_MINI_OBJECT_CAST(event)}); });
  if (queued) return TRUE;
  const GstFlowReturn flow = s.queue.flow();
  // Upstream may have nothing more to send that would return the error.
  if (eos && is_failure(flow)) GST_ELEMENT_FLOW_ERROR(self, flow);
  return FALSE;
}

gboolean sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  ClassifyState& s = state_of(parent);
  if (!GST_QUERY_IS_SERIALIZED(query)) return gst_pad_query_default(pad, parent, query);
  s.send_batch();
  return resnet::guarded(parent, false, "A query could not be passed on",
                         [&] { return s.queue.push_query(query).value_or(false); });
}

// ---- Source pad's task ----

bool forward_query(GstResnetClassify* self, GstQuery* query) {
  const bool answered = gst_pad_peer_query(self->srcpad, query) != FALSE;
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return answered;
  resnet::add_held_buffers(query, self->state->max_in_flight);  // held until their batch is done
  return true;
}

// Downstream gets the event. @return whether frames may follow it
bool forward_event(GstResnetClassify* self, GstEvent* event) {
  const bool is_caps = GST_EVENT_TYPE(event) == GST_EVENT_CAPS;
  resnet::note_event(*self->state, event);
  return gst_pad_push_event(self->srcpad, event) || !is_caps || GST_PAD_IS_FLUSHING(self->srcpad);
}

void stop_after(GstResnetClassify* self, GstFlowReturn flow) {
  GST_DEBUG_OBJECT(self, "downstream returned %s", gst_flow_get_name(flow));
  if (flow == GST_FLOW_EOS) {
    self->state->queue.refuse_buffers();  // the EOS event still has to pass
    return;
  }
  const bool eos = self->state->queue.halt(flow);
  gst_pad_pause_task(self->srcpad);
  if (!eos || !is_failure(flow)) return;
  // As in GStreamer's queue: upstream has nothing more to send that would return the error.
  GST_ELEMENT_FLOW_ERROR(self, flow);
  gst_pad_push_event(self->srcpad, gst_event_new_eos());
}

void loop(gpointer data) {
  GstResnetClassify* self = self_of(data);
  ClassifyState& s = *self->state;
  std::optional<ClassifyQueue::Item> item = s.queue.pop();
  if (!item) {
    gst_pad_pause_task(self->srcpad);
    return;
  }
  if (GST_IS_BUFFER(item->object)) {
    const GstFlowReturn flow = resnet::guarded(self, GST_FLOW_ERROR, no_frame, [&] {
      return resnet::finish_frame(GST_ELEMENT(self), self->srcpad, s, std::move(*item));
    });
    if (flow != GST_FLOW_OK) stop_after(self, flow);
  } else if (GST_IS_EVENT(item->object)) {
    if (!forward_event(self, GST_EVENT_CAST(item->object))) stop_after(self, GST_FLOW_NOT_NEGOTIATED);
  } else {
    s.queue.answer_query(forward_query(self, GST_QUERY_CAST(item->object)));
  }
}

void note_qos(ClassifyState& s, GstEvent* event) {
  GstClockTimeDiff late = 0;
  GstClockTime time = GST_CLOCK_TIME_NONE;
  gst_event_parse_qos(event, nullptr, nullptr, &late, &time);
  if (!GST_CLOCK_TIME_IS_VALID(time)) return;
  // As GstBaseTransform: what is late will be late again, so twice as far ahead.
  s.earliest_time =
      late > 0 ? time + 2 * static_cast<GstClockTime>(late) + s.frame_duration : GST_CLOCK_TIME_NONE;
}

gboolean src_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstResnetClassify* self = self_of(parent);
  ClassifyState& s = *self->state;
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) note_qos(s, event);
  // As in GStreamer's queue: a new peer may want what the one that is gone could not take.
  if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE && s.queue.restart_after(GST_FLOW_NOT_LINKED)) {
    gst_pad_start_task(self->srcpad, loop, self, nullptr);
  }
  return gst_pad_event_default(pad, parent, event);
}

gboolean src_activate_mode(GstPad* pad, GstObject* parent, GstPadMode mode, gboolean active) {
  GstResnetClassify* self = self_of(parent);
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (active) {
    self->state->queue.start();
    return gst_pad_start_task(pad, loop, self, nullptr);
  }
  self->state->queue.stop(GST_FLOW_FLUSHING);
  return gst_pad_stop_task(pad);
}

gboolean sink_activate_mode(GstPad*, GstObject* parent, GstPadMode mode, gboolean active) {
  if (mode != GST_PAD_MODE_PUSH) return FALSE;
  if (!active) state_of(parent).queue.stop(GST_FLOW_FLUSHING);  // lets the chain function go
  return TRUE;
}

gboolean src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  GstResnetClassify* self = self_of(parent);
  ClassifyState& s = *self->state;
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  if (!gst_pad_peer_query(self->sinkpad, query)) return FALSE;
  gboolean live = FALSE;
  GstClockTime least = 0, most = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  s.live = live != FALSE;
  const GstClockTime own = s.latency(s.frame_settings());
  least += own;
  if (GST_CLOCK_TIME_IS_VALID(most)) most += std::max<GstClockTime>(own, s.max_in_flight * s.frame_duration);
  gst_query_set_latency(query, live, least, most);
  return TRUE;
}

// ---- GObject ----

// The streaming threads do not run any more.
void reach_ready(ClassifyState& s) {
  s.timer.cancel();  // a frame may have set it meanwhile
  s.input = {};
  s.output.reset();
  resnet::stop_reloading(s);
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  GstResnetClassify* self = self_of(element);
  ClassifyState& s = *self->state;
  const auto started = [&](const auto& start) {
    return resnet::guarded(self, false, "The model could not be opened", start);
  };
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!started([&] { return resnet::open_model(element, s); })) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!started([&] { return resnet::prepare_model(element, s); })) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      s.playing = true;
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      s.playing = false;
      s.timer.cancel();
      s.send_batch();
      break;
    default:
      break;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_resnet_classify_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) reach_ready(s);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) resnet::close_model(s);
  return result;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  ClassifyState& s = state_of(object);
  resnet::guarded(object, "A property could not be set", [&] {
    {
      const std::lock_guard lock(s.settings_mutex);
      if (resnet::set_classify_property(s.settings, object, id, value, spec)) s.settings_opened = false;
    }
    if (id == resnet::PROP_CLASSIFY_MODEL) resnet::reload_model(GST_ELEMENT(object), s);
  });
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  ClassifyState& s = state_of(object);
  if (id == resnet::PROP_CLASSIFY_STATS) {
    g_value_take_boxed(value, resnet::make_statistics(s));
    return;
  }
  const std::lock_guard lock(s.settings_mutex);
  resnet::get_classify_property(s.settings, object, id, value, spec);
}

void finalize(GObject* object) {
  delete self_of(object)->state;
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
  self->state = resnet::make_or_end<resnet::ClassifyState>();
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
