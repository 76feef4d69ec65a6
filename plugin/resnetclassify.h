#ifndef RESNET_PLUGIN_RESNETCLASSIFY_H
#define RESNET_PLUGIN_RESNETCLASSIFY_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_RESNET_CLASSIFY (gst_resnet_classify_get_type())
G_DECLARE_FINAL_TYPE(GstResnetClassify, gst_resnet_classify, GST, RESNET_CLASSIFY, GstElement)

G_END_DECLS

#endif
