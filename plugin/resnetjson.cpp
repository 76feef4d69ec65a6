/**
 * SECTION:element-resnetjson
 * @title: resnetjson
 *
 * Passes frames through and writes one line of JSON for each that resnetclassify has annotated:
 * `{"version":1,"stream":"resnetclassify0","frame":0,"pts":0,"time":"0:00:00.000000000","age":0,
 * "model":"resnet34.pth","digest":"sha256:…","classes":[{"id":4,"label":"tulips","probability":0.98}]}`.
 * `pts` is in nanoseconds, null where a frame has none; an empty `classes` means "none of these". Lines go to
 * the file `location`, the descriptor `fd`, or, with neither set, onto the bus as element messages named
 * `resnetjson` with the field `line`. Each line is flushed.
 *
 * |[
 * gst-launch-1.0 filesrc location=flowers.webm ! decodebin ! resnetclassify model=resnet34.pth ! resnetjson
 * location=labels.jsonl ! fakesink
 * ]|
 *
 * Since: 0.1
 */

#include "plugin/resnetjson.h"

#include <cerrno>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "plugin/classification_meta.h"
#include "plugin/gstresnetmeta.h"

namespace {

struct Private {
  std::mutex mutex;  // guards the properties
  std::string location;
  int fd = -1;
  // Owned by the streaming thread between start and stop.
  int output = -1;
  bool close_output = false;
  std::uint64_t frame = 0;
};

}  // namespace

struct _GstResnetJson {
  GstBaseTransform parent;
  Private* priv;
};

G_DEFINE_TYPE(GstResnetJson, gst_resnet_json, GST_TYPE_BASE_TRANSFORM)

namespace {

enum Property : guint { PROP_0, PROP_LOCATION, PROP_FD };

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

std::string time_text(GstClockTime time) {
  gchar* text = g_strdup_printf("%" GST_TIME_FORMAT, GST_TIME_ARGS(time));
  std::string result = text;
  g_free(text);
  return result;
}

std::string json_line(const resnet::Classification& c, GstBuffer* buffer, std::uint64_t frame) {
  nlohmann::ordered_json line{
      {"version", GST_RESNET_CLASSIFICATION_META_VERSION}, {"stream", c.stream}, {"frame", frame}};
  if (GST_BUFFER_PTS_IS_VALID(buffer)) {
    line["pts"] = GST_BUFFER_PTS(buffer);
    line["time"] = time_text(GST_BUFFER_PTS(buffer));
  } else {
    line["pts"] = nullptr;
    line["time"] = nullptr;
  }
  line["age"] = c.age;
  line["model"] = c.model;
  line["digest"] = c.digest;
  line["classes"] = nlohmann::ordered_json::array();
  for (const resnet::ClassScore& score : c.scores) {
    line["classes"].push_back({{"id", score.id}, {"label", score.label}, {"probability", score.probability}});
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

bool write_all(int fd, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

gboolean start(GstBaseTransform* transform) {
  Private& p = *GST_RESNET_JSON(transform)->priv;
  const std::lock_guard lock(p.mutex);
  p.frame = 0;
  p.output = p.fd;
  p.close_output = !p.location.empty();
  if (!p.close_output) return TRUE;
  p.output = open(p.location.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (p.output >= 0) return TRUE;
  GST_ELEMENT_ERROR(transform, RESOURCE, OPEN_WRITE,
                    ("Could not open \"%s\" for writing: %s.", p.location.c_str(), g_strerror(errno)),
                    ("property location"));
  return FALSE;
}

gboolean stop(GstBaseTransform* transform) {
  Private& p = *GST_RESNET_JSON(transform)->priv;
  if (p.close_output && p.output >= 0 && close(p.output) != 0) {
    GST_ELEMENT_ERROR(transform, RESOURCE, WRITE,
                      ("Could not finish writing the results: %s.", g_strerror(errno)), ("close"));
  }
  p.output = -1;
  return TRUE;
}

GstFlowReturn transform_ip(GstBaseTransform* transform, GstBuffer* buffer) {
  Private& p = *GST_RESNET_JSON(transform)->priv;
  const std::uint64_t frame = p.frame++;
  const std::optional<resnet::Classification> classification = resnet::read_classification_meta(buffer);
  if (!classification) return GST_FLOW_OK;
  const std::string line = json_line(*classification, buffer, frame);
  if (p.output < 0) {
    GstStructure* structure = gst_structure_new("resnetjson", "line", G_TYPE_STRING, line.c_str(), nullptr);
    gst_element_post_message(GST_ELEMENT(transform),
                             gst_message_new_element(GST_OBJECT(transform), structure));
    return GST_FLOW_OK;
  }
  if (write_all(p.output, line)) return GST_FLOW_OK;
  const int error = errno;
  GST_ELEMENT_ERROR(transform, RESOURCE, WRITE, ("Could not write the results: %s.", g_strerror(error)),
                    ("line of %" G_GSIZE_FORMAT " bytes", line.size()));
  return GST_FLOW_ERROR;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Private& p = *GST_RESNET_JSON(object)->priv;
  const std::lock_guard lock(p.mutex);
  switch (id) {
    case PROP_LOCATION:
      p.location = g_value_get_string(value) ? g_value_get_string(value) : "";
      break;
    case PROP_FD:
      p.fd = g_value_get_int(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      break;
  }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Private& p = *GST_RESNET_JSON(object)->priv;
  const std::lock_guard lock(p.mutex);
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string(value, p.location.empty() ? nullptr : p.location.c_str());
      break;
    case PROP_FD:
      g_value_set_int(value, p.fd);
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

}  // namespace

static void gst_resnet_json_class_init(GstResnetJsonClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  transform_class->start = start;
  transform_class->stop = stop;
  transform_class->transform_ip = transform_ip;
  transform_class->passthrough_on_same_caps = TRUE;
  const auto ready =
      static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  g_object_class_install_property(
      object_class, PROP_LOCATION,
      g_param_spec_string("location", "Location", "File for the lines; it is replaced", nullptr, ready));
  g_object_class_install_property(
      object_class, PROP_FD,
      g_param_spec_int("fd", "File descriptor",
                       "Open descriptor for the lines where location is unset (-1 = lines go onto the bus)",
                       -1, G_MAXINT, -1, ready));
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "ResNet classification writer", "Filter/Video",
                                        "Writes a line of JSON for each frame that resnetclassify annotated",
                                        "The gst-resnet authors");
}

static void gst_resnet_json_init(GstResnetJson* self) {
  self->priv = new Private;
  resnet::register_classification_meta();
}
