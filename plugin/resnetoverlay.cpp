/**
 * SECTION:element-resnetoverlay
 * @title: resnetoverlay
 *
 * Draws the classes that resnetclassify put on a frame, unless the frame shows them already.
 *
 * |[
 * gst-launch-1.0 videotestsrc ! resnetclassify model=resnet34.pth overlay=false ! tee ! resnetoverlay !
 * videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */

#include "plugin/resnetoverlay.h"

#include "plugin/classification_meta.h"
#include "plugin/overlay.h"

struct _GstResnetOverlay {
  GstBaseTransform parent;
  resnet::Overlay* overlay;  // owned by the streaming thread
};

G_DEFINE_TYPE(GstResnetOverlay, gst_resnet_overlay, GST_TYPE_BASE_TRANSFORM)

namespace {

#define RESNET_OVERLAY_CAPS                                                                     \
  GST_VIDEO_CAPS_MAKE(GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS)                              \
  ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES("memory:SystemMemory, meta:GstVideoOverlayComposition", \
                                        GST_VIDEO_FORMATS_ALL)

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(RESNET_OVERLAY_CAPS));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(RESNET_OVERLAY_CAPS));

gboolean set_caps(GstBaseTransform* transform, GstCaps* caps, GstCaps*) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) return FALSE;
  const GstCapsFeatures* features = gst_caps_get_features(caps, 0);
  GST_RESNET_OVERLAY(transform)->overlay->set_format(
      info,
      features && gst_caps_features_contains(features, GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION));
  return TRUE;
}

// Drawing in place: the base class has made the buffer writable.
GstFlowReturn transform_ip(GstBaseTransform* transform, GstBuffer* buffer) {
  std::optional<resnet::Classification> classification = resnet::read_classification_meta(buffer);
  if (!classification || classification->drawn || classification->scores.empty()) return GST_FLOW_OK;
  GST_RESNET_OVERLAY(transform)->overlay->apply(buffer, resnet::caption_lines(*classification),
                                                classification->drawn);
  resnet::add_classification_meta(buffer, *classification);
  return GST_FLOW_OK;
}

void finalize(GObject* object) {
  delete GST_RESNET_OVERLAY(object)->overlay;
  G_OBJECT_CLASS(gst_resnet_overlay_parent_class)->finalize(object);
}

}  // namespace

static void gst_resnet_overlay_class_init(GstResnetOverlayClass* klass) {
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);
  G_OBJECT_CLASS(klass)->finalize = finalize;
  transform_class->set_caps = set_caps;
  transform_class->transform_ip = transform_ip;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "ResNet classification overlay", "Filter/Editor/Video",
                                        "Draws the classes that resnetclassify found",
                                        "The gst-resnet authors");
}

static void gst_resnet_overlay_init(GstResnetOverlay* self) {
  self->overlay = new resnet::Overlay;
  resnet::register_classification_meta();
}
