#include "plugin/frame_image.h"

#include <algorithm>

namespace resnet {

namespace {

PixelFormat pixel_format(GstVideoFormat format) {
  switch (format) {
    case GST_VIDEO_FORMAT_BGR:
      return PixelFormat::BGR;
    case GST_VIDEO_FORMAT_RGBx:
      return PixelFormat::RGBx;
    case GST_VIDEO_FORMAT_BGRx:
      return PixelFormat::BGRx;
    case GST_VIDEO_FORMAT_xRGB:
      return PixelFormat::xRGB;
    case GST_VIDEO_FORMAT_xBGR:
      return PixelFormat::xBGR;
    case GST_VIDEO_FORMAT_RGBA:
      return PixelFormat::RGBA;
    case GST_VIDEO_FORMAT_BGRA:
      return PixelFormat::BGRA;
    case GST_VIDEO_FORMAT_ARGB:
      return PixelFormat::ARGB;
    case GST_VIDEO_FORMAT_ABGR:
      return PixelFormat::ABGR;
    case GST_VIDEO_FORMAT_GRAY8:
      return PixelFormat::GRAY8;
    case GST_VIDEO_FORMAT_NV12:
      return PixelFormat::NV12;
    case GST_VIDEO_FORMAT_I420:
      return PixelFormat::I420;
    case GST_VIDEO_FORMAT_YUY2:
      return PixelFormat::YUY2;
    default:
      return PixelFormat::RGB;
  }
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

// Of the formats in one plane.
int bytes_per_pixel(PixelFormat format) {
  switch (format) {
    case PixelFormat::GRAY8:
      return 1;
    case PixelFormat::YUY2:
      return 2;
    case PixelFormat::RGB:
    case PixelFormat::BGR:
      return 3;
    default:
      return 4;
  }
}

}  // namespace

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
  const auto move = [&part](std::size_t plane, std::ptrdiff_t x, std::ptrdiff_t y) {
    part.planes[plane].data += y * part.planes[plane].stride + x;
  };
  const bool is_subsampled = image.format == PixelFormat::NV12 || image.format == PixelFormat::I420;
  const guint x = is_subsampled || image.format == PixelFormat::YUY2 ? r.x & ~1U : r.x;
  const guint y = is_subsampled ? r.y & ~1U : r.y;
  switch (image.format) {
    case PixelFormat::NV12:
      move(0, x, y);
      move(1, x, y / 2);
      break;
    case PixelFormat::I420:
      move(0, x, y);
      move(1, x / 2, y / 2);
      move(2, x / 2, y / 2);
      break;
    default:
      move(0, std::ptrdiff_t{bytes_per_pixel(image.format)} * x, y);
      break;
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
