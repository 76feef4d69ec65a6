#include "plugin/overlay.h"

#include <algorithm>

namespace resnet {

void Overlay::clear() {
  if (composition_) gst_video_overlay_composition_unref(composition_);
  composition_ = nullptr;
  lines_.clear();
}

void Overlay::set_format(const GstVideoInfo& info, bool attach) {
  clear();
  info_ = info;
  attach_ = attach;
}

void Overlay::update(const std::vector<CaptionLine>& lines) {
  if (lines == lines_) return;
  clear();
  lines_ = lines;
  const CaptionBitmap bitmap =
      draw_caption(lines, GST_VIDEO_INFO_WIDTH(&info_), GST_VIDEO_INFO_HEIGHT(&info_));
  if (bitmap.pixels.empty()) return;
  GstBuffer* pixels = gst_buffer_new_memdup(bitmap.pixels.data(), bitmap.pixels.size());
  const auto width = static_cast<guint>(bitmap.width), height = static_cast<guint>(bitmap.height);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {bitmap.stride};
  gst_buffer_add_video_meta_full(pixels, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB,
                                 width, height, 1, offsets, strides);
  GstVideoOverlayRectangle* rectangle = gst_video_overlay_rectangle_new_raw(
      pixels, bitmap.x, bitmap.y, width, height, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  gst_buffer_unref(pixels);
  composition_ = gst_video_overlay_composition_new(rectangle);
  gst_video_overlay_rectangle_unref(rectangle);
}

GstBuffer* Overlay::apply(GstBuffer* buffer, const std::vector<CaptionLine>& lines, bool& drawn) {
  drawn = false;
  update(lines);
  if (!composition_) return buffer;
  if (attach_) {
    buffer = gst_buffer_make_writable(buffer);
    gst_buffer_add_video_overlay_composition_meta(buffer, composition_);
    drawn = true;
    return buffer;
  }
  // Memory that others hold too is copied here, and only here.
  buffer = gst_buffer_make_writable(buffer);
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info_, buffer, GST_MAP_READWRITE)) return buffer;
  drawn = gst_video_overlay_composition_blend(composition_, &frame) != FALSE;
  gst_video_frame_unmap(&frame);
  return buffer;
}

}  // namespace resnet
