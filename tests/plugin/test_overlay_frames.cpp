// Frames that are not just rows of opaque pixels: padded, interlaced, cropped, translucent, of rare formats.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "plugin/overlay.h"
#include "plugin/region_results.h"
#include "tests/plugin/count_allocations.h"
#include "tests/plugin/fixture.h"

namespace resnet {
namespace {

const OverlayContent content{{{"tulips", 0.75}, {"蒲公英", 0.25}}, {{90, 80, 40, 30, {"roses", 0.5}}}};

/// The frame's pixels without padding, drawn on.
std::string drawn(const GstVideoInfo& info, GstBuffer* buffer, const OverlayContent& what = content) {
  Overlay overlay;
  overlay.set_format(info, false);
  EXPECT_TRUE(overlay.draw(buffer, what));
  GstVideoInfo copy = info;
  GstVideoFrame frame;
  EXPECT_TRUE(gst_video_frame_map(&frame, &copy, buffer, GST_MAP_READ));
  std::string pixels;
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&frame); ++plane) {
    gint component[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component(frame.info.finfo, plane, component);
    const auto width = static_cast<std::size_t>(GST_VIDEO_FRAME_COMP_WIDTH(&frame, component[0]) *
                                                GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, component[0]));
    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, component[0]); ++y) {
      const auto* row = static_cast<const char*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane));
      pixels.append(row + std::ptrdiff_t{y} * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane), width);
    }
  }
  gst_video_frame_unmap(&frame);
  gst_buffer_unref(buffer);
  return pixels;
}

class OverlayFormats : public testing::TestWithParam<GstVideoFormat> {};

INSTANTIATE_TEST_SUITE_P(Common, OverlayFormats,
                         testing::Values(GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_GRAY8,
                                         GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_YUY2),
                         [](const auto& test) { return gst_video_format_to_string(test.param); });

TEST_P(OverlayFormats, PaddingChangesNothing) {
  const GstVideoInfo info = video_info(GetParam(), 200, 150);
  GstVideoInfo padded = info;
  gsize size = 0;
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&info); ++plane) {
    GST_VIDEO_INFO_PLANE_STRIDE(&padded, plane) += 52;
    GST_VIDEO_INFO_PLANE_OFFSET(&padded, plane) = size + 36;
    size += 36 + static_cast<gsize>(GST_VIDEO_INFO_PLANE_STRIDE(&padded, plane)) * 154;
  }
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, size, nullptr);
  gst_buffer_memset(buffer, 0, 200, size);
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GetParam(), 200, 150,
                                 GST_VIDEO_INFO_N_PLANES(&info), padded.offset, padded.stride);
  const std::string plain = drawn(info, new_frame(info, 200));
  EXPECT_TRUE(drawn(info, buffer) == plain);
  EXPECT_FALSE(plain == std::string(plain.size(), static_cast<char>(200)));
}

TEST_P(OverlayFormats, InterlacedFramesShowTheSame) {
  const GstVideoInfo info = video_info(GetParam(), 200, 150);
  const std::string progressive = drawn(info, new_frame(info, 200));
  for (const GstVideoInterlaceMode mode :
       {GST_VIDEO_INTERLACE_MODE_INTERLEAVED, GST_VIDEO_INTERLACE_MODE_MIXED}) {
    GstVideoInfo interlaced = info;
    GST_VIDEO_INFO_INTERLACE_MODE(&interlaced) = mode;
    GstBuffer* buffer = new_frame(info, 200);
    GST_BUFFER_FLAG_SET(buffer, GST_VIDEO_BUFFER_FLAG_INTERLACED);
    EXPECT_TRUE(drawn(interlaced, buffer) == progressive) << mode;
  }
}

// What a GstVideoCropMeta shows of a large frame looks like a small frame.
TEST(OverlayFrames, TheVisiblePartIsDrawnOn) {
  const GstVideoInfo large = video_info(GST_VIDEO_FORMAT_GRAY8, 300, 250);
  const GstVideoInfo small = video_info(GST_VIDEO_FORMAT_GRAY8, 200, 150);
  const std::string expected = drawn(small, new_frame(small, 200));
  OverlayContent moved = content;
  moved.regions[0].x += 60;
  moved.regions[0].y += 70;
  // As videocrop has it, the caps have the size of what is left, and a meta that of the pixels.
  for (const auto& [attach, of_videocrop] : {std::pair(false, false), {true, false}, {false, true}}) {
    GstBuffer* buffer = new_frame(large, 200);
    if (of_videocrop)
      gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 300, 250);
    GstVideoCropMeta* crop = gst_buffer_add_video_crop_meta(buffer);
    crop->x = 60;
    crop->y = 70;
    crop->width = 200;
    crop->height = 150;
    Overlay overlay;
    overlay.set_format(of_videocrop ? small : large, attach);
    EXPECT_TRUE(overlay.draw(buffer, moved));
    std::string all = bytes_of(buffer), visible;
    for (std::size_t y = 0; y < 250; ++y) {
      if (y >= 70 && y < 220) visible += all.substr(y * 300 + 60, 200);
      if (y >= 70 && y < 220) all.replace(y * 300 + 60, 200, 200, static_cast<char>(200));
    }
    EXPECT_TRUE(visible == expected);
    EXPECT_TRUE(all == std::string(all.size(), static_cast<char>(200))) << "drawn beside it";
    gst_buffer_unref(buffer);
  }
}

TEST(OverlayFrames, WhatLiesOutsideItsMemoryIsNotDrawnOn) {
  const GstVideoInfo info = video_info(GST_VIDEO_FORMAT_GRAY8, 200, 150);
  GstBuffer* buffer = new_frame(info, 200);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {400};
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, 200, 150, 1,
                                 offsets, strides);
  Overlay overlay;
  overlay.set_format(info, false);
  EXPECT_FALSE(overlay.draw(buffer, content));
  gst_buffer_unref(buffer);
}

/// The four bytes of a pixel in the order R, G, B, A.
std::array<double, 4> rgba(const std::string& pixels, std::size_t at, GstVideoFormat format) {
  const GstVideoFormatInfo* info = gst_video_format_get_info(format);
  std::array<double, 4> value{};
  for (std::size_t c = 0; c < 4; ++c) {
    value[c] = static_cast<guint8>(pixels[4 * at + static_cast<std::size_t>(info->poffset[c])]);
  }
  return value;
}

// "over" of Porter and Duff: https://doi.org/10.1145/800031.808606
TEST(OverlayFrames, TheFramesAlphaIsThatOfWhatIsSeen) {
  const int width = 160, height = 120;
  const CaptionBitmap caption = draw_caption({{"tulips", 0.5}}, width, height);
  for (const GstVideoFormat format : {GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA, GST_VIDEO_FORMAT_ARGB,
                                      GST_VIDEO_FORMAT_ABGR, GST_VIDEO_FORMAT_AYUV}) {
    for (const int alpha : {0, 128, 255}) {
      for (const bool premultiplied : {false, true}) {
        SCOPED_TRACE(std::string(gst_video_format_to_string(format)) + " alpha " + std::to_string(alpha) +
                     (premultiplied ? " premultiplied" : ""));
        GstVideoInfo info = video_info(format, width, height);
        if (premultiplied) GST_VIDEO_INFO_FLAGS(&info) = GST_VIDEO_FLAG_PREMULTIPLIED_ALPHA;
        const int grey = premultiplied ? 200 * alpha / 255 : 200;
        GstBuffer* buffer = new_frame(info, static_cast<guint8>(grey));
        GstMapInfo map;
        ASSERT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_WRITE));
        for (gsize i = static_cast<gsize>(info.finfo->poffset[3]); i < map.size; i += 4) {
          map.data[i] = static_cast<guint8>(alpha);
        }
        gst_buffer_unmap(buffer, &map);
        const std::string pixels = drawn(info, buffer, {{{"tulips", 0.5}}, {}});
        double worst = 0;
        for (int y = 0; y < caption.height; ++y) {
          for (int x = 0; x < caption.width; ++x) {
            const std::uint8_t* over =
                caption.pixels.data() + std::ptrdiff_t{y} * caption.stride + std::ptrdiff_t{4} * x;
            const double rest = (255.0 - over[3]) / 255, seen = over[3] + alpha * rest;
            const std::array<double, 4> found =
                rgba(pixels, static_cast<std::size_t>((caption.y + y) * width + caption.x + x), format);
            worst = std::max(worst, std::abs(found[3] - seen));
            if (seen < 32 || format == GST_VIDEO_FORMAT_AYUV)
              continue;  // colours of hardly anything, or not RGB
            for (const std::size_t c : {0u, 1u, 2u}) {
              const double sum = over[2 - c] + (premultiplied ? grey : grey * alpha / 255.0) * rest;
              worst = std::max(worst, std::abs(found[c] - (premultiplied ? sum : sum * 255 / seen)));
            }
          }
        }
        EXPECT_LE(worst, 4);
      }
    }
  }
}

// resnetoverlay offers them all.
TEST(OverlayFrames, EveryFormatIsDrawnOnOrLeftAsItWas) {
  GValue formats = G_VALUE_INIT;
  g_value_init(&formats, GST_TYPE_LIST);
  ASSERT_TRUE(gst_value_deserialize(&formats, RESNET_OVERLAY_FORMATS));
  for (guint i = 0; i < gst_value_list_get_size(&formats); ++i) {
    const char* name = g_value_get_string(gst_value_list_get_value(&formats, i));
    SCOPED_TRACE(name);
    const GstVideoInfo info = video_info(gst_video_format_from_string(name), 160, 120);
    GstBuffer* buffer = new_frame(info, 128);
    Overlay overlay;
    overlay.set_format(info, false);
    const bool said = overlay.draw(buffer, content);
    EXPECT_EQ(bytes_of(buffer) != std::string(info.size, static_cast<char>(128)), said);
    gst_buffer_unref(buffer);
  }
  g_value_unset(&formats);
}

class UnchangedOverlay : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Ways, UnchangedOverlay, testing::Bool(),
                         [](const auto& test) { return test.param ? "Attached" : "Blended"; });

TEST_P(UnchangedOverlay, AllocatesNothing) {
  if (sanitized) GTEST_SKIP() << "a sanitizer has an operator new of its own";
  const GstVideoInfo info = video_info(GST_VIDEO_FORMAT_RGB, 320, 240);
  GstHarness* harness = gst_harness_new("resnetoverlay");
  if (GetParam()) {
    gst_harness_add_propose_allocation_meta(harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
  }
  gst_harness_set_src_caps_str(harness, caps_text(GST_VIDEO_FORMAT_RGB, 320, 240).c_str());
  Classification result = flowers();
  result.scores[0].label = "a label that does not fit into a std::string by itself";
  std::size_t used = 0;
  for (int i = 0; i < 5; ++i) {
    GstBuffer* frame = new_frame(info, 200, i);
    add_classification_meta(frame, result);
    gst_buffer_add_video_region_of_interest_meta(frame, "a type that does not fit into it either", 90, 80,
                                                 100, 90);
    add_region_result(frame, 0, {"camera 1", "flowers.pth", 0, {result.scores[0]}});
    const std::size_t before = allocations();
    gst_harness_push(harness, frame);
    used = allocations() - before;
    EXPECT_TRUE(used > 0 || i > 0) << "the count does not count";
    gst_buffer_unref(gst_harness_pull(harness));
  }
  EXPECT_EQ(used, 0u);
  gst_harness_teardown(harness);
}

}  // namespace
}  // namespace resnet
