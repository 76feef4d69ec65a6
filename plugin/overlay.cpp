#include "plugin/overlay.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "plugin/frame_image.h"
#include "plugin/turn.h"

namespace resnet {
namespace {

// What the number says; NaN is like NaN.
long shown(double probability) { return std::isnan(probability) ? -1 : std::lround(probability * 1000); }

bool look_alike(const CaptionLine& a, const CaptionLine& b) {
  return a.label == b.label && a.id == b.id && shown(a.probability) == shown(b.probability);
}

bool look_alike(const CaptionRegion& a, const CaptionRegion& b) {
  return a.x == b.x && a.y == b.y && a.width == b.width && a.height == b.height && look_alike(a.line, b.line);
}

template <typename Item>
bool look_alike(const std::vector<Item>& a, const std::vector<Item>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Item& one, const Item& other) { return look_alike(one, other); });
}

}  // namespace

void Overlay::follow(GstEvent* event) {
  const Orientation before = orientation_;
  follow_orientation(orientation_, event);
  stale_ = stale_ || orientation_ != before;
}

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
  stale_ = true;
}

Overlay::Area Overlay::visible(GstBuffer* buffer) const {
  const GstVideoCropMeta* crop = gst_buffer_get_video_crop_meta(buffer);
  const GstVideoMeta* meta = crop == nullptr ? nullptr : gst_buffer_get_video_meta(buffer);
  // The caps of a cropped frame have the size of what is left; the pixels that the crop is of are the meta's.
  const guint w = meta ? meta->width : static_cast<guint>(GST_VIDEO_INFO_WIDTH(&info_));
  const guint h = meta ? meta->height : static_cast<guint>(GST_VIDEO_INFO_HEIGHT(&info_));
  if (crop == nullptr || crop->x >= w || crop->y >= h)
    return {0, 0, static_cast<int>(w), static_cast<int>(h)};
  return {static_cast<int>(crop->x), static_cast<int>(crop->y),
          static_cast<int>(std::min(crop->width, w - crop->x)),
          static_cast<int>(std::min(crop->height, h - crop->y))};
}

void Overlay::update(GstBuffer* buffer, const OverlayContent& content) {
  const Area area = visible(buffer);
  const bool same = !stale_ && area == area_ && look_alike(content.lines, content_.lines) &&
                    look_alike(content.regions, content_.regions) && content.above == content_.above;
  if (same) return;
  stale_ = false;
  area_ = area;
  content_ = content;
  compose();
}

void Overlay::compose() {
  composition_.reset();
  const Turn turn(orientation_, area_.width, area_.height);
  std::vector<CaptionRegion> regions;
  for (CaptionRegion region : content_.regions) {
    region.x -= area_.x;
    region.y -= area_.y;
    regions.push_back(turn.upright(region));
  }
  for (CaptionBitmap& bitmap :
       draw_overlay(content_.lines, regions, turn.width(), turn.height(), content_.above)) {
    add(turn.stored(std::move(bitmap)));
  }
}

void Overlay::add(const CaptionBitmap& bitmap) {
  if (bitmap.pixels.empty()) return;
  GstBuffer* pixels = gst_buffer_new_memdup(bitmap.pixels.data(), bitmap.pixels.size());
  const auto width = static_cast<guint>(bitmap.width), height = static_cast<guint>(bitmap.height);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {bitmap.stride};
  gst_buffer_add_video_meta_full(pixels, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB,
                                 width, height, 1, offsets, strides);
  GstVideoOverlayRectangle* rectangle =
      gst_video_overlay_rectangle_new_raw(pixels, area_.x + bitmap.x, area_.y + bitmap.y, width, height,
                                          GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
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
  const bool blended =
      is_whole(frame) && gst_video_overlay_composition_blend(composition_.get(), &frame) != FALSE;
  gst_video_frame_unmap(&frame);
  return blended;
}

bool Overlay::draw(GstBuffer* buffer, const OverlayContent& content) {
  update(buffer, content);
  if (!composition_) return false;
  const bool as_shown = orientation_ == Orientation::identity &&
                        area_ == Area{0, 0, GST_VIDEO_INFO_WIDTH(&info_), GST_VIDEO_INFO_HEIGHT(&info_)};
  if (!attach_ || !as_shown) return blend(buffer);
  attach(buffer);
  return true;
}

BufferPtr Overlay::apply(BufferPtr buffer, const OverlayContent& content, bool& drawn) {
  drawn = false;
  update(buffer.get(), content);
  if (!composition_) return buffer;
  buffer = make_writable(std::move(buffer));
  drawn = draw(buffer.get(), content);
  return buffer;
}

}  // namespace resnet
