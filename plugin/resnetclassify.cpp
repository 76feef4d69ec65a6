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
 * Since: 0.1
 */

#include "plugin/resnetclassify.h"

#include <algorithm>
#include <numeric>

#include <gst/video/video.h>

#include "plugin/classification_meta.h"
#include "plugin/classify_queue.h"
#include "plugin/classify_settings.h"
#include "plugin/engine_module.h"
#include "plugin/errors.h"
#include "plugin/frame_image.h"
#include "plugin/overlay.h"

GST_DEBUG_CATEGORY_STATIC(resnet_classify_debug);
#define GST_CAT_DEFAULT resnet_classify_debug

namespace {

using resnet::Classification;
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
  ClassifySettings settings;  // guarded by settings_mutex

  // Set at NULL→READY, read by the streaming threads, which do not run then.
  std::unique_ptr<resnet::Engine> engine;
  std::unique_ptr<resnet::EngineStream> stream;
  unsigned max_in_flight = 0;
  bool wait_for_company = false;
  std::uint64_t batch_time = 0;  // ns of a full batch, measured at READY→PAUSED

  ClassifyQueue queue;

  // Owned by the sink pad's streaming thread.
  GstVideoInfo sink_info{};
  bool have_caps = false;

  // Owned by the source pad's task.
  resnet::Overlay overlay;
  bool overlay_supports_caps = false;

  std::atomic<bool> attach_overlay{false};  // what the last ALLOCATION query found out downstream
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

ClassifySettings copy_settings(GstResnetClassify* self) {
  const std::lock_guard lock(self->priv->settings_mutex);
  return self->priv->settings;
}

// ---- Opening and closing the engine ----

bool open_engine(GstResnetClassify* self) {
  Private& p = *self->priv;
  ClassifySettings s = copy_settings(self);
  if (s.model.empty()) {
    GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND,
                      ("No model file. Set the property model to a .pth or .safetensors file."),
                      ("property model is not set"));
    return false;
  }
  std::string why;
  const resnet::EngineModule* module = resnet::load_engine_module(why);
  if (!module) {
    GST_ELEMENT_ERROR(self, LIBRARY, INIT,
                      ("LibTorch could not be loaded. Install LibTorch 2.6 or newer (pip install torch) "
                       "where the plugin was "
                       "built to find it."),
                      ("%s", why.c_str()));
    return false;
  }
  p.max_in_flight = s.max_in_flight;
  if (p.max_in_flight < s.batch_size) {
    GST_ELEMENT_WARNING(
        self, RESOURCE, SETTINGS,
        ("max-in-flight=%u is below batch-size=%u and was raised to it.", s.max_in_flight, s.batch_size),
        ("a batch could never fill"));
    p.max_in_flight = s.batch_size;
  }
  p.wait_for_company = s.batch_timeout > 0;
  resnet::EngineError error;
  p.engine = module->open({s.model, s.labels_file, s.device, s.precision, static_cast<int>(s.threads),
                           static_cast<int>(s.batch_size), p.wait_for_company},
                          error);
  if (p.engine) p.stream = p.engine->open_stream(p.queue, error);
  if (error) {
    p.engine.reset();
    resnet::post_engine_error(GST_ELEMENT(self), error);
    return false;
  }
  for (const std::string& warning : p.engine->warnings()) {
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS, ("%s.", warning.c_str()),
                        ("while opening %s", s.model.c_str()));
  }
  GST_INFO_OBJECT(self, "opened %s: %s", s.model.c_str(), p.engine->description().c_str());
  return true;
}

void close_engine(GstResnetClassify* self) {
  self->priv->stream.reset();
  self->priv->engine.reset();
}

// ---- Sink pad ----

GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  GstResnetClassify* self = self_of(parent);
  Private& p = *self->priv;
  if (!p.have_caps) {
    gst_buffer_unref(buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (p.wait_for_company && p.queue.full(p.max_in_flight)) p.engine->go();  // nobody else can fill the batch
  bool waited = false;
  const GstFlowReturn flow = p.queue.wait_for_room(p.max_in_flight, waited);
  if (flow != GST_FLOW_OK) {
    gst_buffer_unref(buffer);
    return flow;
  }
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &p.sink_info, buffer,
                           static_cast<GstMapFlags>(GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("A frame does not hold what its caps say."),
                      ("buffer of %" G_GSIZE_FORMAT " bytes", gst_buffer_get_size(buffer)));
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  const auto request = std::make_shared<EngineRequest>();
  p.stream->submit(resnet::frame_image(frame), request);
  gst_video_frame_unmap(&frame);
  // The timeout on the element's clock is not there yet: a batch that may wait is sent when the queue is
  // idle.
  if (!p.queue.push({GST_MINI_OBJECT_CAST(buffer), request})) return p.queue.flow();
  return GST_FLOW_OK;
}

void pause_task(GstResnetClassify* self) { gst_pad_pause_task(self->srcpad); }

bool set_sink_caps(Private& p, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  p.have_caps = gst_video_info_from_caps(&p.sink_info, caps) != FALSE;
  return p.have_caps;
}

void loop(gpointer data);

gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstResnetClassify* self = self_of(parent);
  Private& p = *self->priv;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START: {
      const gboolean result = gst_pad_push_event(self->srcpad, event);
      p.queue.stop(GST_FLOW_FLUSHING);
      pause_task(self);
      return result;
    }
    case GST_EVENT_FLUSH_STOP: {
      const gboolean result = gst_pad_push_event(self->srcpad, event);
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
  if (p.wait_for_company && p.engine) p.engine->go();  // frames in front of an event wait for no company
  if (p.queue.push({GST_MINI_OBJECT_CAST(event), nullptr})) return TRUE;
  const GstFlowReturn flow = p.queue.flow();
  // Upstream may have nothing more to send that would return the error.
  if (eos && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS)) GST_ELEMENT_FLOW_ERROR(self, flow);
  return FALSE;
}

gboolean sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  GstResnetClassify* self = self_of(parent);
  Private& p = *self->priv;
  if (!GST_QUERY_IS_SERIALIZED(query)) return gst_pad_query_default(pad, parent, query);
  if (p.wait_for_company && p.engine) p.engine->go();
  return p.queue.push_query(query).value_or(false);
}

// ---- Source pad's task ----

Classification classify(GstResnetClassify* self, const EngineRequest& request, const ClassifySettings& s) {
  const resnet::Engine& engine = *self->priv->engine;
  const double threshold = s.threshold >= 0 ? s.threshold : engine.suggested_threshold();
  std::vector<int> order(request.probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  const auto probability = [&](int id) { return request.probabilities[static_cast<std::size_t>(id)]; };
  const std::size_t count = std::min<std::size_t>(s.top_k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](int a, int b) {
                      return probability(a) != probability(b) ? probability(a) > probability(b) : a < b;
                    });
  Classification result;
  result.model = engine.model_name();
  result.digest = engine.digest();
  result.stream = GST_OBJECT_NAME(self);
  for (std::size_t i = 0; i < count && probability(order[i]) >= threshold; ++i) {
    result.scores.push_back(
        {order[i], engine.classes()[static_cast<std::size_t>(order[i])], probability(order[i])});
  }
  return result;
}

GstFlowReturn finish_buffer(GstResnetClassify* self, GstBuffer* buffer, const EngineRequest& request) {
  Private& p = *self->priv;
  if (request.error) {
    resnet::post_engine_error(GST_ELEMENT(self), request.error);
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  const ClassifySettings settings = copy_settings(self);
  Classification classification = classify(self, request, settings);
  if (settings.overlay && p.overlay_supports_caps) {
    buffer = p.overlay.apply(buffer, resnet::caption_lines(classification), classification.drawn);
  }
  buffer = gst_buffer_make_writable(buffer);
  resnet::add_classification_meta(buffer, classification);
  return gst_pad_push(self->srcpad, buffer);
}

// Frames behind this event have its caps; whether downstream renders overlays is asked anew.
void set_overlay_caps(GstResnetClassify* self, GstEvent* event) {
  Private& p = *self->priv;
  GstCaps* caps = nullptr;
  GstVideoInfo info;
  gst_event_parse_caps(event, &caps);
  p.overlay_supports_caps = gst_video_info_from_caps(&info, caps) != FALSE;
  const GstCapsFeatures* features = gst_caps_get_features(caps, 0);
  const bool attach =
      features && gst_caps_features_contains(features, GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
  if (p.overlay_supports_caps) p.overlay.set_format(info, attach);
}

bool forward_query(GstResnetClassify* self, GstQuery* query) {
  const bool answered = gst_pad_peer_query(self->srcpad, query) != FALSE;
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return answered;
  // Frames are held until their batch is done: upstream's pool needs that many more.
  const guint pools = gst_query_get_n_allocation_pools(query);
  for (guint i = 0; i < pools; ++i) {
    GstBufferPool* pool = nullptr;
    guint size = 0, least = 0, most = 0;
    gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &least, &most);
    least += self->priv->max_in_flight;
    if (most != 0) most = std::max(most, least);
    gst_query_set_nth_allocation_pool(query, i, pool, size, least, most);
    if (pool) gst_object_unref(pool);
  }
  if (pools == 0) {
    GstCaps* caps = nullptr;
    GstVideoInfo info;
    gst_query_parse_allocation(query, &caps, nullptr);
    if (caps && gst_video_info_from_caps(&info, caps)) {
      gst_query_add_allocation_pool(query, nullptr, static_cast<guint>(info.size), self->priv->max_in_flight,
                                    0);
    }
  }
  if (!gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr)) {
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  }
  return true;
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
    const GstFlowReturn flow = finish_buffer(self, GST_BUFFER_CAST(item->object), *item->request);
    if (flow != GST_FLOW_OK) stop_after(self, flow);
  } else if (GST_IS_EVENT(item->object)) {
    GstEvent* event = GST_EVENT_CAST(item->object);
    if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) set_overlay_caps(self, event);
    const bool eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    const bool caps = GST_EVENT_TYPE(event) == GST_EVENT_CAPS;
    if (!gst_pad_push_event(self->srcpad, event) && caps && !GST_PAD_IS_FLUSHING(self->srcpad)) {
      stop_after(self, GST_FLOW_NOT_NEGOTIATED);
    }
    if (eos) pause_task(self);
  } else {
    self->priv->queue.answer_query(forward_query(self, GST_QUERY_CAST(item->object)));
  }
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
  const GstClockTime own =
      copy_settings(self).batch_timeout + p.batch_time + (p.stream ? p.stream->conversion_time() : 0);
  least += own;
  // The queue may hold max-in-flight frames of, at most, a batch's time each.
  if (most != GST_CLOCK_TIME_NONE) most += own * std::max(p.max_in_flight, 1u);
  gst_query_set_latency(query, live, least, most);
  return TRUE;
}

// ---- GObject ----

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  GstResnetClassify* self = self_of(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !open_engine(self)) return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    resnet::EngineError error;
    self->priv->batch_time = self->priv->engine->warm_up(error);
    if (error) {
      resnet::post_engine_error(element, error);
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_resnet_classify_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) self->priv->have_caps = false;
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) close_engine(self);
  return result;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Private& p = *self_of(object)->priv;
  const std::lock_guard lock(p.settings_mutex);
  resnet::set_classify_property(p.settings, object, id, value, spec);
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
  gst_pad_set_query_function(self->srcpad, src_query);
  gst_pad_set_activatemode_function(self->srcpad, src_activate_mode);
  GST_PAD_SET_PROXY_CAPS(self->srcpad);
  gst_element_add_pad(GST_ELEMENT(self), self->srcpad);
}
