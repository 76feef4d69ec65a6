#include "plugin/frame_image.h"

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

}  // namespace resnet
