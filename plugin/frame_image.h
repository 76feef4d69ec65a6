#ifndef RESNET_PLUGIN_FRAME_IMAGE_H
#define RESNET_PLUGIN_FRAME_IMAGE_H

#include <gst/video/video.h>

#include "model/image.h"

namespace resnet {

/// The formats of PixelFormat, as a caps string's list.
#define RESNET_VIDEO_FORMATS \
  "{ RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, BGRA, ARGB, ABGR, GRAY8, NV12, I420, YUY2 }"

/// A mapped frame as the preprocessing sees it: pixels, strides, matrix, range and chroma siting. No copy.
Image frame_image(const GstVideoFrame& frame);

}  // namespace resnet

#endif
