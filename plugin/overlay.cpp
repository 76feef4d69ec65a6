#include "plugin/overlay.h"

#include <cmath>
#include <utility>

namespace resnet {

void Overlay::negotiate(GstPad* source_pad) {
  GstCaps* caps = gst_pad_get_current_caps(source_pad);
  GstVideoInfo info{};
  if (caps == nullptr || !gst_video_info_from_caps(&info, caps)) {
    gst_clear_caps(&caps);
    set_format({}, false);
    return;
  }
  GstQuery* query = gst_query_new_allocation(caps, FALSE);
  const bool renders =
      gst_pad_peer_query(source_pad, query) &&
      gst_query_find_allocation_meta(query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
  gst_query_unref(query);
  gst_caps_unref(caps);
  set_format(info, renders);
}

void Overlay::set_format(const GstVideoInfo& info, bool attach) {
  info_ = info;
  attach_ = attach;
  content_ = {};
  composition_.reset();
}

void Overlay::update(OverlayContent content) {
  // What the number shows; a NaN would never equal itself.
  const auto round = [](CaptionLine& line) {
    line.probability = std::isnan(line.probability) ? -1 : std::round(line.probability * 1000) / 1000;
  };
  for (CaptionLine& line : content.lines) round(line);
  for (CaptionRegion& region : content.regions) round(region.line);
  if (content == content_) return;
  composition_.reset();
  content_ = content;
  const auto restore = [](CaptionLine& line) {
    if (line.probability < 0) line.probability = std::nan("");
  };
  for (CaptionLine& line : content.lines) restore(line);
  const int width = GST_VIDEO_INFO_WIDTH(&info_), height = GST_VIDEO_INFO_HEIGHT(&info_);
  for (CaptionRegion& region : content.regions) {
    restore(region.line);
    for (const CaptionBitmap& bitmap : draw_region(region, width, height)) add(bitmap);
  }
  if (!content.lines.empty()) add(draw_caption(content.lines, width, height));
}

void Overlay::add(const CaptionBitmap& bitmap) {
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
  if (composition_) {
    gst_video_overlay_composition_add_rectangle(composition_.get(), rectangle);
  } else {
    composition_.reset(gst_video_overlay_composition_new(rectangle));
  }
  gst_video_overlay_rectangle_unref(rectangle);
}

void Overlay::attach(GstBuffer* buffer) {
  GstVideoOverlayCompositionMeta* meta = gst_buffer_get_video_overlay_composition_meta(buffer);
  if (meta == nullptr) {
    gst_buffer_add_video_overlay_composition_meta(buffer, composition_.get());
    return;
  }
  // Sinks render one composition: subtitles that are there already and the caption share it.
  GstVideoOverlayComposition* both = gst_video_overlay_composition_copy(meta->overlay);
  const guint count = gst_video_overlay_composition_n_rectangles(composition_.get());
  for (guint i = 0; i < count; ++i) {
    gst_video_overlay_composition_add_rectangle(
        both, gst_video_overlay_composition_get_rectangle(composition_.get(), i));
  }
  gst_video_overlay_composition_unref(meta->overlay);
  meta->overlay = both;
}

bool Overlay::blend(GstBuffer* buffer) {
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info_, buffer, GST_MAP_READWRITE)) return false;
  const bool blended = gst_video_overlay_composition_blend(composition_.get(), &frame) != FALSE;
  gst_video_frame_unmap(&frame);
  return blended;
}

bool Overlay::draw(GstBuffer* buffer, const OverlayContent& content) {
  update(content);
  if (!composition_) return false;
  if (!attach_) return blend(buffer);
  attach(buffer);
  return true;
}

GstBuffer* Overlay::apply(GstBuffer* buffer, const OverlayContent& content, bool& drawn) {
  drawn = false;
  update(content);
  if (!composition_) return buffer;
  buffer = gst_buffer_make_writable(buffer);
  drawn = draw(buffer, content);
  return buffer;
}

}  // namespace resnet
