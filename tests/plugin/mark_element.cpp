// A plugin for the tests: `resnettestmark` puts a known result on frames (1: two classes, 2: none of these,
// 3: nothing).
#include <gst/base/gstbasetransform.h>

#include "plugin/classification_meta.h"

struct ResnetTestMark {
  GstBaseTransform parent;
  int frame;
};
struct ResnetTestMarkClass {
  GstBaseTransformClass parent;
};
G_DEFINE_TYPE(ResnetTestMark, resnet_test_mark, GST_TYPE_BASE_TRANSFORM)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static GstFlowReturn transform_ip(GstBaseTransform* transform, GstBuffer* buffer) {
  auto* self = reinterpret_cast<ResnetTestMark*>(transform);
  resnet::Classification result;
  result.model = "flowers.pth";
  if (++self->frame == 1) result.scores = {{4, "tulips", 0.75}, {1, "蒲公英", 0.25}};
  if (self->frame < 3) resnet::add_classification_meta(buffer, result);
  return GST_FLOW_OK;
}

static void resnet_test_mark_class_init(ResnetTestMarkClass* klass) {
  GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
  klass->parent.transform_ip = transform_ip;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Test mark", "Filter", "Puts a known result on frames",
                                        "Tests");
}

static void resnet_test_mark_init(ResnetTestMark*) { resnet::register_classification_meta(); }

static gboolean plugin_init(GstPlugin* plugin) {
  return gst_element_register(plugin, "resnettestmark", GST_RANK_NONE, resnet_test_mark_get_type());
}

#define PACKAGE "gst-resnet-tests"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, resnettest, "Elements for tests", plugin_init, "0",
                  "MIT/X11", "gst-resnet", "Unknown package origin")
