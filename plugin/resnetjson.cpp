/**
 * SECTION:element-resnetjson
 * @title: resnetjson
 *
 * Passes buffers through and writes a line of JSON for each, flushed at once:
 * `{"version":1,"stream":"…","frame":0,"pts":0,"time":"0:00:00.000000000","duration":40000000,
 * "wall-clock":"2026-11-24T23:51:13.123456Z","captured":null,
 * "classes":[{"id":4,"label":"tulips","probability":0.98}],"age":0,"model":"resnet34.pth","digest":"sha256:…"}`;
 * with regions of interest also
 * `"regions":[{"type":"face","x":10,"y":12,"width":41,"height":33,"class":{…}}]`. `frame` counts from 0 since
 * READY, `pts`, `duration` and `age` are nanoseconds. `wall-clock` is when the line was written, `captured`
 * when the frame was, where it has a #GstReferenceTimestampMeta of `timestamp/x-unix` or `timestamp/x-ntp`
 * (rtspsrc with `add-reference-timestamp-meta=true`), else null; both are UTC. Empty `classes` mean "none of
 * these"; a frame that was not classified has null there. The installed `resnetjson.schema.json` (JSON
 * Schema) has all of it; `version` rises when a field goes or changes its meaning.
 *
 * |[
 * gst-launch-1.0 filesrc location=flowers.webm ! decodebin ! resnetclassify model=resnet34.pth overlay=false
 * ! resnetjson location=results.jsonl ! fakesink
 * ]|
 *
 * Properties, to be set below PAUSED: `location` (a file, emptied first) or `fd` (an open descriptor, default
 * -1: none; it stays open), `location` first when both are set; `post-messages` (default false): also an
 * element message `resnetjson` with the fields `line` (string), `frame` (guint64) and `pts` (guint64) per
 * frame. With none of them the element warns.
 *
 * `max-size-bytes` (default 0: no limit) rotates the file of `location`: before a line that would make it
 * larger, and at the start when it has lines already, it becomes `location.1`, the one that was that
 * `location.2`, and so on. No line is split. `max-files` (default 0: all) are kept, with the present one. A
 * rotation that fails is a warning, and the lines go on into the same file; a line that cannot be written (a
 * full disk, a reader that left) is an error, and what is in the file ends with a whole line.
 *
 * Since: 0.1
 */

#include "plugin/resnetjson.h"

#include <mutex>

#include "plugin/classification_meta.h"
#include "plugin/guarded.h"
#include "plugin/line_writer.h"
#include "plugin/result_json.h"
#include "plugin/wall_clock.h"

namespace {

struct Private {
  std::mutex mutex;  // guards the properties
  std::string location;
  int fd = -1;
  bool post_messages = false;
  resnet::LineWriter::Rotation rotation;
  // The streaming thread's between start and stop.
  resnet::LineWriter writer;
  std::string name;  // of the output, for errors
  bool posting = false;
  std::string stream;
  guint64 frame = 0;
};

}  // namespace

struct _GstResnetJson {
  GstBaseTransform parent;
  Private* priv;
};

G_DEFINE_TYPE(GstResnetJson, gst_resnet_json, GST_TYPE_BASE_TRANSFORM)

namespace {

enum Property : guint {
  PROP_0,
  PROP_LOCATION,
  PROP_FD,
  PROP_POST_MESSAGES,
  PROP_MAX_SIZE_BYTES,
  PROP_MAX_FILES
};

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

Private& priv(gpointer object) { return *GST_RESNET_JSON(object)->priv; }

bool open_output(GstBaseTransform* transform) {
  Private& p = priv(transform);
  const std::lock_guard lock(p.mutex);
  p.frame = 0;
  p.stream.clear();
  p.posting = p.post_messages;
  p.writer.set_cancelled(false);
  if (!p.location.empty()) {
    p.name = p.location;
    const int error = p.writer.open(p.location, p.rotation);
    if (error != 0) {
      GST_ELEMENT_ERROR(transform, RESOURCE, OPEN_WRITE,
                        ("Could not open \"%s\" for writing: %s.", p.location.c_str(), g_strerror(error)),
                        ("property location"));
      return false;
    }
  } else if (p.fd >= 0) {
    p.name = "descriptor " + std::to_string(p.fd);
    p.writer.use(p.fd);
  } else if (!p.posting) {
    GST_ELEMENT_WARNING(transform, RESOURCE, SETTINGS,
                        ("Nothing is written: set location, fd or post-messages=true."), (nullptr));
  }
  return true;
}

gboolean start(GstBaseTransform* transform) {
  return resnet::guarded(transform, false, "The output could not be opened",
                         [&] { return open_output(transform); });
}

gboolean stop(GstBaseTransform* transform) {
  Private& p = priv(transform);
  const int error = p.writer.close();
  if (error != 0) {
    GST_ELEMENT_ERROR(transform, RESOURCE, WRITE,
                      ("Could not finish writing \"%s\": %s.", p.name.c_str(), g_strerror(error)), ("close"));
  }
  return TRUE;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange change) {
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY) priv(element).writer.set_cancelled(true);
  return GST_ELEMENT_CLASS(gst_resnet_json_parent_class)->change_state(element, change);
}

gboolean sink_event(GstBaseTransform* transform, GstEvent* event) {
  Private& p = priv(transform);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: {
      const gchar* id = nullptr;
      gst_event_parse_stream_start(event, &id);
      resnet::guarded(transform, "The stream's name could not be kept",
                      [&] { p.stream = id != nullptr ? id : ""; });
      break;
    }
    case GST_EVENT_FLUSH_START:
      p.writer.set_cancelled(true);
      break;
    case GST_EVENT_FLUSH_STOP:
      p.writer.set_cancelled(false);
      break;
    default:
      break;
  }
  return GST_BASE_TRANSFORM_CLASS(gst_resnet_json_parent_class)->sink_event(transform, event);
}

void post(GstBaseTransform* transform, const std::string& line, guint64 frame, GstClockTime pts) {
  GstStructure* structure = gst_structure_new("resnetjson", "line", G_TYPE_STRING, line.c_str(), "frame",
                                              G_TYPE_UINT64, frame, "pts", G_TYPE_UINT64, pts, nullptr);
  gst_element_post_message(GST_ELEMENT(transform), gst_message_new_element(GST_OBJECT(transform), structure));
}

GstFlowReturn write_line(GstBaseTransform* transform, std::string line) {
  Private& p = priv(transform);
  line += '\n';
  int error = p.writer.make_room(line);
  if (error != 0) {
    GST_ELEMENT_WARNING(transform, RESOURCE, WRITE,
                        ("Could not rotate \"%s\": %s.", p.name.c_str(), g_strerror(error)),
                        ("the lines go on into the same file"));
  }
  switch (p.writer.write(line, error)) {
    case resnet::LineWriter::Outcome::done:
      return GST_FLOW_OK;
    case resnet::LineWriter::Outcome::cancelled:
      return GST_FLOW_FLUSHING;
    case resnet::LineWriter::Outcome::failed:
      break;
  }
  GST_ELEMENT_ERROR(transform, RESOURCE, WRITE,
                    ("Could not write to \"%s\": %s.", p.name.c_str(), g_strerror(error)),
                    ("frame %" G_GUINT64_FORMAT, p.frame - 1));
  return GST_FLOW_ERROR;
}

GstFlowReturn transform_ip(GstBaseTransform* transform, GstBuffer* buffer) {
  Private& p = priv(transform);
  const guint64 frame = p.frame++;
  if (!p.writer.is_open() && !p.posting) return GST_FLOW_OK;
  return resnet::guarded(transform, GST_FLOW_ERROR, "The classes could not be written as JSON", [&] {
    const std::string line =
        resnet::result_json(resnet::read_classification_metas(buffer), resnet::read_region_results(buffer),
                            {.stream = p.stream,
                             .number = frame,
                             .pts = GST_BUFFER_PTS(buffer),
                             .duration = GST_BUFFER_DURATION(buffer),
                             .wall_clock = static_cast<GstClockTime>(g_get_real_time()) * GST_USECOND,
                             .captured = resnet::capture_time(buffer)});
    if (p.posting) post(transform, line, frame, GST_BUFFER_PTS(buffer));
    return p.writer.is_open() ? write_line(transform, line) : GST_FLOW_OK;
  });
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Private& p = priv(object);
  const std::lock_guard lock(p.mutex);
  switch (id) {
    case PROP_LOCATION:
      resnet::guarded(object, "A property could not be set", [&] {
        p.location = g_value_get_string(value) != nullptr ? g_value_get_string(value) : "";
      });
      break;
    case PROP_FD:
      p.fd = g_value_get_int(value);
      break;
    case PROP_POST_MESSAGES:
      p.post_messages = g_value_get_boolean(value) != FALSE;
      break;
    case PROP_MAX_SIZE_BYTES:
      p.rotation.max_size = g_value_get_uint64(value);
      break;
    case PROP_MAX_FILES:
      p.rotation.max_files = g_value_get_uint(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      break;
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Private& p = priv(object);
  const std::lock_guard lock(p.mutex);
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string(value, p.location.empty() ? nullptr : p.location.c_str());
      break;
    case PROP_FD:
      g_value_set_int(value, p.fd);
      break;
    case PROP_POST_MESSAGES:
      g_value_set_boolean(value, p.post_messages);
      break;
    case PROP_MAX_SIZE_BYTES:
      g_value_set_uint64(value, p.rotation.max_size);
      break;
    case PROP_MAX_FILES:
      g_value_set_uint(value, p.rotation.max_files);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      break;
  }
}

void finalize(GObject* object) {
  delete GST_RESNET_JSON(object)->priv;
  G_OBJECT_CLASS(gst_resnet_json_parent_class)->finalize(object);
}

void install_properties(GObjectClass* object_class) {
  const auto flags =
      static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  g_object_class_install_property(
      object_class, PROP_LOCATION,
      g_param_spec_string(
          "location", "Location",
          "File for the lines; one that is there is replaced, or kept as location.1 with max-size-bytes",
          nullptr, flags));
  g_object_class_install_property(
      object_class, PROP_FD,
      g_param_spec_int("fd", "File descriptor",
                       "Open descriptor for the lines, when location is not set (-1: none)", -1, G_MAXINT, -1,
                       flags));
  g_object_class_install_property(
      object_class, PROP_POST_MESSAGES,
      g_param_spec_boolean("post-messages", "Post messages",
                           "Post an element message \"resnetjson\" with each line on the bus", FALSE, flags));
  g_object_class_install_property(
      object_class, PROP_MAX_SIZE_BYTES,
      g_param_spec_uint64("max-size-bytes", "Maximum size",
                          "Size of location at which it becomes location.1, that location.2, … (0: no limit)",
                          0, G_MAXUINT64, 0, flags));
  g_object_class_install_property(
      object_class, PROP_MAX_FILES,
      g_param_spec_uint("max-files", "Maximum files",
                        "Files to keep when max-size-bytes is set, with the present one (0: all)", 0,
                        G_MAXUINT, 0, flags));
}

}  // namespace

static void gst_resnet_json_class_init(GstResnetJsonClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  element_class->change_state = change_state;
  transform_class->start = start;
  transform_class->stop = stop;
  transform_class->sink_event = sink_event;
  transform_class->transform_ip = transform_ip;
  transform_class->transform_ip_on_passthrough = TRUE;
  install_properties(object_class);
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "ResNet classification writer", "Filter/Analyzer/Video",
      "Writes a line of JSON with the classes of each frame", "The gst-resnet authors");
}

static void gst_resnet_json_init(GstResnetJson* self) {
  self->priv = resnet::make_or_end<Private>();
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
  resnet::register_classification_meta();
}
