/**
 * SECTION:element-resnetoverlay
 * @title: resnetoverlay
 *
 * Draws the classes that resnetclassify put on a frame and its regions (with `overlay=false`), unless the
 * frame shows them already. The caption is attached as a #GstVideoOverlayComposition where downstream renders
 * that, else blended. It is upright when the player has turned the picture as the tag `image-orientation`
 * says.
 *
 * |[
 * gst-launch-1.0 filesrc location=flowers.webm ! decodebin ! resnetclassify model=resnet34.pth overlay=false
 * top-k=5 ! resnetoverlay max-lines=2 ! videoconvert ! autovideosink
 * ]|
 *
 * Properties: `max-lines` (1 to 100, default 5) classes at most; `threshold` (0 to 1, default 0) least
 * probability of a class that is drawn. Both may be changed while PLAYING.
 *
 * Since: 0.1
 */

#include "plugin/resnetoverlay.h"

#include <mutex>
#include <utility>
#include <vector>

#include "plugin/classification_meta.h"
#include "plugin/gstresnetmeta.h"
#include "plugin/guarded.h"
#include "plugin/overlay.h"
#include "plugin/region_results.h"

namespace {

constexpr guint default_max_lines = 5;
constexpr double default_threshold = 0;

struct Private {
  std::mutex mutex;  // guards the properties
  guint max_lines = default_max_lines;
  double threshold = default_threshold;
  // The streaming thread's.
  resnet::Overlay overlay;
  resnet::OverlayContent content;  // of the frame at hand
  bool ask_downstream = false;     // new caps: they are downstream only when the first frame follows
};

}  // namespace

struct _GstResnetOverlay {
  GstBaseTransform parent;
  Private* priv;
};

G_DEFINE_TYPE(GstResnetOverlay, gst_resnet_overlay, GST_TYPE_BASE_TRANSFORM)

namespace {

enum Property : guint { PROP_0, PROP_MAX_LINES, PROP_THRESHOLD };

#define CAPS                                                                                    \
  GST_VIDEO_CAPS_MAKE(RESNET_OVERLAY_FORMATS)                                                   \
  ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES("memory:SystemMemory, meta:GstVideoOverlayComposition", \
                                        RESNET_OVERLAY_FORMATS)

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

constexpr const char* not_drawn = "The classes could not be drawn";

Private& priv(gpointer object) { return *GST_RESNET_OVERLAY(object)->priv; }

gboolean set_caps(GstBaseTransform* transform, GstCaps* caps, GstCaps*) {
  GstVideoInfo info;
  priv(transform).ask_downstream = true;
  return gst_video_info_from_caps(&info, caps);
}

gboolean sink_event(GstBaseTransform* transform, GstEvent* event) {
  if (GST_EVENT_IS_SERIALIZED(event)) priv(transform).overlay.follow(event);
  return GST_BASE_TRANSFORM_CLASS(gst_resnet_overlay_parent_class)->sink_event(transform, event);
}

// A result's classes, behind the first `used` lines. The lines keep their memory. @return how many are used
// now
std::size_t add_lines(const GstStructure* result, guint max_lines, double threshold, std::size_t used,
                      std::vector<resnet::CaptionLine>& lines) {
  const guint size = gst_resnet_classification_get_size(result);
  const std::size_t end = used + max_lines;
  for (guint i = 0; i < size && used < end; ++i) {
    const gchar* label = nullptr;
    double probability = 0;
    gint id = -1;
    if (!gst_resnet_classification_get_class(result, i, &id, &label, &probability)) break;
    if (probability < threshold) continue;
    if (used == lines.size()) lines.emplace_back();
    lines[used].label = label ? label : "";
    lines[used].id = id;
    lines[used++].probability = probability;
  }
  return used;
}

// The classes on a frame that it does not show yet.
void read_lines(GstBuffer* buffer, guint max_lines, double threshold,
                std::vector<resnet::CaptionLine>& lines) {
  std::size_t used = 0;
  gpointer state = nullptr;
  while (const GstStructure* result = gst_buffer_iterate_resnet_classification(buffer, &state)) {
    gboolean drawn = FALSE;
    gst_structure_get_boolean(result, "drawn", &drawn);
    if (!drawn) used = add_lines(result, max_lines, threshold, used, lines);
  }
  lines.resize(used);
}

const resnet::OverlayContent& read_content(Private& p, GstBuffer* buffer) {
  const std::lock_guard lock(p.mutex);
  read_lines(buffer, p.max_lines, p.threshold, p.content.lines);
  resnet::read_drawn(buffer, p.content.above);
  resnet::read_caption_regions(buffer, p.threshold, p.content.regions);
  return p.content;
}

// The base class would copy the pixels of a frame that others hold too, also when nothing is drawn.
GstFlowReturn prepare_output_buffer(GstBaseTransform* transform, GstBuffer* input, GstBuffer** output) {
  *output = input;
  return resnet::guarded(transform, GST_FLOW_ERROR, not_drawn, [&] {
    if (!gst_buffer_is_writable(input) && !read_content(priv(transform), input).empty()) {
      *output = gst_buffer_copy(input);
    }
    return GST_FLOW_OK;
  });
}

GstFlowReturn transform_ip(GstBaseTransform* transform, GstBuffer* buffer) {
  Private& p = priv(transform);
  return resnet::guarded(transform, GST_FLOW_ERROR, not_drawn, [&] {
    const resnet::OverlayContent& content = read_content(p, buffer);
    if (std::exchange(p.ask_downstream, false)) p.overlay.negotiate(GST_BASE_TRANSFORM_SRC_PAD(transform));
    // A threshold lowered since the buffer was prepared must not make us draw on what others hold.
    if (!content.empty() && gst_buffer_is_writable(buffer) && p.overlay.draw(buffer, content)) {
      resnet::mark_classification_drawn(buffer);
      resnet::mark_regions_drawn(buffer);
    }
    return GST_FLOW_OK;
  });
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Private& p = priv(object);
  const std::lock_guard lock(p.mutex);
  switch (id) {
    case PROP_MAX_LINES:
      p.max_lines = g_value_get_uint(value);
      break;
    case PROP_THRESHOLD:
      p.threshold = g_value_get_double(value);
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
    case PROP_MAX_LINES:
      g_value_set_uint(value, p.max_lines);
      break;
    case PROP_THRESHOLD:
      g_value_set_double(value, p.threshold);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      break;
  }
}

void finalize(GObject* object) {
  delete GST_RESNET_OVERLAY(object)->priv;
  G_OBJECT_CLASS(gst_resnet_overlay_parent_class)->finalize(object);
}

}  // namespace

static void gst_resnet_overlay_class_init(GstResnetOverlayClass* klass) {
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  transform_class->set_caps = set_caps;
  transform_class->sink_event = sink_event;
  transform_class->prepare_output_buffer = prepare_output_buffer;
  transform_class->transform_ip = transform_ip;
  const auto flags =
      static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      object_class, PROP_MAX_LINES,
      g_param_spec_uint("max-lines", "Maximum lines", "Classes at most on a frame", 1, 100, default_max_lines,
                        flags));
  g_object_class_install_property(
      object_class, PROP_THRESHOLD,
      g_param_spec_double("threshold", "Threshold", "Least probability (0 to 1) of a class that is drawn", 0,
                          1, default_threshold, flags));
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "ResNet classification overlay", "Filter/Editor/Video",
                                        "Draws the classes that resnetclassify found",
                                        "The gst-resnet authors");
}

static void gst_resnet_overlay_init(GstResnetOverlay* self) {
  self->priv = resnet::make_or_end<Private>();
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
  resnet::register_classification_meta();
}
