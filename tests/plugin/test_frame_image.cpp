// How the preprocessing sees a frame.
#include <map>
#include <string>

#include "plugin/frame_image.h"
#include "tests/plugin/fixture.h"

namespace resnet {
namespace {

Image image_of(const std::string& colorimetry) {
  GstVideoInfo info;
  GstCaps* caps = gst_caps_from_string(
      (caps_text(GST_VIDEO_FORMAT_NV12, 16, 16) + ",colorimetry=" + colorimetry).c_str());
  EXPECT_TRUE(gst_video_info_from_caps(&info, caps));
  gst_caps_unref(caps);
  GstBuffer* buffer = new_frame(info, 0);
  GstVideoFrame frame;
  EXPECT_TRUE(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
  const Image image = frame_image(frame);
  gst_video_frame_unmap(&frame);
  gst_buffer_unref(buffer);
  return image;
}

TEST(FrameImage, TheCapsSayWhichMatrixAndRangeTheColoursHave) {
  const std::map<std::string, YuvMatrix> matrices{{"bt601", YuvMatrix::bt601},
                                                  {"bt709", YuvMatrix::bt709},
                                                  {"bt2020", YuvMatrix::bt2020},
                                                  {"smpte240m", YuvMatrix::smpte240m},
                                                  {"2:2:0:0", YuvMatrix::fcc}};
  for (const auto& [colorimetry, matrix] : matrices) {
    const Image image = image_of(colorimetry);
    EXPECT_EQ(image.matrix, matrix) << colorimetry;
    EXPECT_FALSE(image.full_range) << colorimetry;
  }
  EXPECT_TRUE(image_of("1:3:0:0").full_range);
}

}  // namespace
}  // namespace resnet
