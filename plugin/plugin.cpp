#include <gst/gst.h>

#include "plugin/classification_meta.h"
#include "plugin/resnetclassify.h"
#include "plugin/resnetjson.h"
#include "plugin/resnetoverlay.h"

static gboolean plugin_init(GstPlugin* plugin) {
  resnet::register_classification_meta();
  return gst_element_register(plugin, "resnetclassify", GST_RANK_NONE, GST_TYPE_RESNET_CLASSIFY) &&
         gst_element_register(plugin, "resnetoverlay", GST_RANK_NONE, GST_TYPE_RESNET_OVERLAY) &&
         gst_element_register(plugin, "resnetjson", GST_RANK_NONE, GST_TYPE_RESNET_JSON);
}

#define PACKAGE "gst-resnet"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, resnet, "Video classification with PyTorch ResNets",
                  plugin_init, RESNET_VERSION, "MIT/X11", "gst-resnet", "Unknown package origin")
