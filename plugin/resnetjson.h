#ifndef RESNET_PLUGIN_RESNETJSON_H
#define RESNET_PLUGIN_RESNETJSON_H

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_RESNET_JSON (gst_resnet_json_get_type())
G_DECLARE_FINAL_TYPE(GstResnetJson, gst_resnet_json, GST, RESNET_JSON, GstBaseTransform)

G_END_DECLS

#endif
