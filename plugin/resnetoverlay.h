#ifndef RESNET_PLUGIN_RESNETOVERLAY_H
#define RESNET_PLUGIN_RESNETOVERLAY_H

#include <gst/video/gstvideofilter.h>

G_BEGIN_DECLS

#define GST_TYPE_RESNET_OVERLAY (gst_resnet_overlay_get_type())
G_DECLARE_FINAL_TYPE(GstResnetOverlay, gst_resnet_overlay, GST, RESNET_OVERLAY, GstBaseTransform)

G_END_DECLS

#endif
