#ifndef RESNET_PLUGIN_FRAME_IMAGE_H
#define RESNET_PLUGIN_FRAME_IMAGE_H

#include <optional>

#include <gst/video/video.h>

#include "model/image.h"

namespace resnet {

/// The formats of PixelFormat, as a caps string's list.
#define RESNET_VIDEO_FORMATS                                                                                \
  "{ RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, BGRA, ARGB, ABGR, GRAY8, NV12, NV21, I420, YV12, Y42B, Y444, " \
  "YUY2, UYVY, P010_10LE, I420_10LE, I422_10LE }"

/// Whether the rows of a mapped frame lie in its memory: GStreamer believes what a GstVideoMeta says of it.
bool is_whole(const GstVideoFrame& frame);

/// A mapped frame, of a format in RESNET_VIDEO_FORMATS, as the preprocessing sees it: pixels, strides,
/// matrix, range and chroma siting. No copy.
Image frame_image(const GstVideoFrame& frame);

/// A rectangle of pixels; may reach beyond the picture.
struct Rectangle {
  guint x = 0, y = 0, width = 0, height = 0;

  bool operator==(const Rectangle&) const = default;
};

/// The part of the picture inside the rectangle, whose corner moves to a chroma sample's. No copy.
/// @return nothing when no pixel is inside
std::optional<Image> crop_image(const Image& image, Rectangle rectangle);

/// Keeps what the tag `image-orientation` says up to date with the stream's events: a new stream has none.
void follow_orientation(Orientation& orientation, GstEvent* event);

}  // namespace resnet

#endif
