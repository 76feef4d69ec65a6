// How the preprocessing sees a frame.
#include <cmath>
#include <cstdlib>
#include <map>
#include <numbers>
#include <string>

#include "plugin/frame_image.h"
#include "tests/model/frames.h"
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

class FormatsOfGStreamer : public testing::TestWithParam<GstVideoFormat> {
 protected:
  static constexpr int width = 66, height = 50;

  GstVideoInfo rgb_ = video_info(GST_VIDEO_FORMAT_RGB, width, height);

  /// GStreamer's conversion.  @param in is taken
  static GstBuffer* converted(const GstVideoInfo& from, GstBuffer* in, const GstVideoInfo& to) {
    GstVideoInfo a = from, b = to;
    GstVideoConverter* converter = gst_video_converter_new(&a, &b, nullptr);
    GstBuffer* out = new_frame(to, 0);
    GstVideoFrame source, target;
    EXPECT_TRUE(gst_video_frame_map(&source, &a, in, GST_MAP_READ));
    EXPECT_TRUE(gst_video_frame_map(&target, &b, out, GST_MAP_WRITE));
    gst_video_converter_frame(converter, &source, &target);
    gst_video_frame_unmap(&source);
    gst_video_frame_unmap(&target);
    gst_video_converter_free(converter);
    gst_buffer_unref(in);
    return out;
  }

  /// Waves of each channel, so long that it matters little how chroma is interpolated.
  GstBuffer* waves() {
    GstBuffer* buffer = new_frame(rgb_, 0);
    GstVideoFrame frame;
    EXPECT_TRUE(gst_video_frame_map(&frame, &rgb_, buffer, GST_MAP_WRITE));
    for (int y = 0; y < height; ++y) {
      auto* row = static_cast<guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                  std::ptrdiff_t{y} * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 3; ++c) {
          const double turns = (x * (c + 1) + y * (3 - c)) / 200.0;
          row[3 * x + c] =
              static_cast<guint8>(std::lround(128 + 60 * std::sin(2 * std::numbers::pi * turns)));
        }
      }
    }
    gst_video_frame_unmap(&frame);
    return buffer;
  }

  /// The pixels without padding, as the preprocessing reads them.
  static std::vector<std::uint8_t> pixels(const GstVideoInfo& info, GstBuffer* buffer) {
    GstVideoInfo copy = info;
    GstVideoFrame frame;
    EXPECT_TRUE(gst_video_frame_map(&frame, &copy, buffer, GST_MAP_READ));
    const RgbPicture picture = to_rgb(frame_image(frame));
    gst_video_frame_unmap(&frame);
    gst_buffer_unref(buffer);
    return picture.pixels;
  }
};

TEST_P(FormatsOfGStreamer, HaveTheColoursThatItSees) {
  const GstVideoInfo info = video_info(GetParam(), width, height);
  GstBuffer* frame = converted(rgb_, waves(), info);
  const std::vector<std::uint8_t> expected = pixels(rgb_, converted(info, gst_buffer_ref(frame), rgb_));
  const std::vector<std::uint8_t> seen = pixels(info, frame);
  ASSERT_EQ(seen.size(), expected.size());
  int worst = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) worst = std::max(worst, std::abs(seen[i] - expected[i]));
  EXPECT_LE(worst, 8) << "GStreamer rounds its matrix of 8-bit samples more";
}

INSTANTIATE_TEST_SUITE_P(All, FormatsOfGStreamer, testing::ValuesIn(every_format()),
                         [](const auto& test) { return gst_video_format_to_string(test.param); });

}  // namespace
}  // namespace resnet
