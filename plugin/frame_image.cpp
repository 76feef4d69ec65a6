#include "plugin/frame_image.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "model/pixel_layout.h"

namespace resnet {

namespace {

PixelFormat pixel_format(GstVideoFormat format) {
  const std::string_view name = gst_video_format_to_string(format);
  return std::ranges::find(pixel_layouts, name, &PixelLayout::name)->format;  // the caps allow no other
}

YuvMatrix yuv_matrix(GstVideoColorMatrix matrix) {
  switch (matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
      return YuvMatrix::bt709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return YuvMatrix::bt2020;
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
      return YuvMatrix::smpte240m;
    case GST_VIDEO_COLOR_MATRIX_FCC:
      return YuvMatrix::fcc;
    default:
      return YuvMatrix::bt601;
  }
}

static_assert(static_cast<int>(Orientation::right_90) == GST_VIDEO_ORIENTATION_90R &&
              static_cast<int>(Orientation::half_turn) == GST_VIDEO_ORIENTATION_180 &&
              static_cast<int>(Orientation::left_90) == GST_VIDEO_ORIENTATION_90L &&
              static_cast<int>(Orientation::horizontal) == GST_VIDEO_ORIENTATION_HORIZ &&
              static_cast<int>(Orientation::vertical) == GST_VIDEO_ORIENTATION_VERT &&
              static_cast<int>(Orientation::ul_lr) == GST_VIDEO_ORIENTATION_UL_LR &&
              static_cast<int>(Orientation::ur_ll) == GST_VIDEO_ORIENTATION_UR_LL);

}  // namespace

bool is_whole(const GstVideoFrame& frame) {
  if (frame.meta == nullptr) return true;  // sizes were compared
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++c) {
    const auto plane = static_cast<guint>(GST_VIDEO_FRAME_COMP_PLANE(&frame, c));
    const std::int64_t stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
    const std::int64_t rows = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c);
    const std::int64_t sample_bits =
        GST_VIDEO_FORMAT_INFO_DEPTH(frame.info.finfo, c) + GST_VIDEO_FORMAT_INFO_SHIFT(frame.info.finfo, c);
    const std::int64_t step = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c);
    // Where samples do not lie at multiples of a step, all of the stride is taken to be used.
    const std::int64_t row = step > 0 ? GST_VIDEO_FRAME_COMP_POFFSET(&frame, c) +
                                            (GST_VIDEO_FRAME_COMP_WIDTH(&frame, c) - 1) * step +
                                            (sample_bits + 7) / 8
                                      : std::abs(stride);
    const GstMapInfo& map = frame.map[plane];
    const std::int64_t first =
        static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane)) - map.data;
    const std::int64_t last = first + (rows - 1) * stride;
    if (std::min(first, last) < 0 || std::max(first, last) + row > static_cast<std::int64_t>(map.size))
      return false;
  }
  return true;
}

Image frame_image(const GstVideoFrame& frame) {
  Image image;
  image.format = pixel_format(GST_VIDEO_FRAME_FORMAT(&frame));
  image.width = GST_VIDEO_FRAME_WIDTH(&frame);
  image.height = GST_VIDEO_FRAME_HEIGHT(&frame);
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(&frame) && i < image.planes.size(); ++i) {
    image.planes[i].data = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, i));
    image.planes[i].stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, i);
  }
  image.pixel_aspect =
      static_cast<double>(GST_VIDEO_INFO_PAR_N(&frame.info)) / GST_VIDEO_INFO_PAR_D(&frame.info);
  const GstVideoColorimetry& color = frame.info.colorimetry;
  image.matrix = yuv_matrix(color.matrix);
  // GRAY8 without a stated range is full, as in videoconvert.
  image.full_range = color.range == GST_VIDEO_COLOR_RANGE_0_255 ||
                     (image.format == PixelFormat::GRAY8 && color.range != GST_VIDEO_COLOR_RANGE_16_235);
  const GstVideoChromaSite site = frame.info.chroma_site;
  if (site != GST_VIDEO_CHROMA_SITE_UNKNOWN) {
    image.siting.horizontal_cosited = (site & GST_VIDEO_CHROMA_SITE_H_COSITED) != 0;
    image.siting.vertical_cosited = (site & GST_VIDEO_CHROMA_SITE_V_COSITED) != 0;
  }
  return image;
}

std::optional<Image> crop_image(const Image& image, Rectangle r) {
  const guint width = static_cast<guint>(image.width), height = static_cast<guint>(image.height);
  if (r.x >= width || r.y >= height || r.width == 0 || r.height == 0) return std::nullopt;
  const guint right = r.x + std::min(r.width, width - r.x), bottom = r.y + std::min(r.height, height - r.y);
  Image part = image;
  const PixelLayout& layout = layout_of(image.format);
  const guint x = layout.half_width ? r.x & ~1U : r.x, y = layout.half_height ? r.y & ~1U : r.y;
  for (std::size_t i = 0; i < part.planes.size(); ++i) {
    Plane& plane = part.planes[i];
    const PlaneSize before = plane_size(image.format, static_cast<int>(x), static_cast<int>(y), i);
    if (plane.data != nullptr) plane.data += before.rows * plane.stride + before.row_bytes;
  }
  part.width = static_cast<int>(right - x);
  part.height = static_cast<int>(bottom - y);
  return part;
}

void follow_orientation(Orientation& orientation, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) orientation = Orientation::identity;
  if (GST_EVENT_TYPE(event) != GST_EVENT_TAG) return;
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY;
  if (!gst_video_orientation_from_tag(tags, &method) || method > GST_VIDEO_ORIENTATION_UR_LL) return;
  orientation = static_cast<Orientation>(method);
}

}  // namespace resnet
