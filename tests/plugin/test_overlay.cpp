#include <functional>
#include <limits>

#include "plugin/overlay.h"
#include "plugin/region_results.h"
#include "tests/plugin/fixture.h"

namespace resnet {
namespace {

const GstMetaInfo* composition_info() { return GST_VIDEO_OVERLAY_COMPOSITION_META_INFO; }

class ResnetOverlay : public testing::Test {
 protected:
  void open(GstVideoFormat format, guint width, guint height, bool downstream_renders = false) {
    harness_ = gst_harness_new("resnetoverlay");
    if (downstream_renders) {
      gst_harness_add_propose_allocation_meta(harness_, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
    }
    info_ = video_info(format, width, height);
    gst_harness_set_src_caps_str(
        harness_, caps_text(format, static_cast<int>(width), static_cast<int>(height)).c_str());
  }
  void TearDown() override {
    if (harness_ != nullptr) gst_harness_teardown(harness_);
  }
  /// Pushes a grey frame with the result (or none) and returns what comes out.
  GstBuffer* play(const Classification* result, const std::function<void(GstBuffer*)>& prepare = {}) {
    GstBuffer* frame = new_frame(info_, grey);
    if (result != nullptr) add_classification_meta(frame, *result);
    if (prepare) prepare(frame);
    GstBuffer* out = gst_harness_push_and_pull(harness_, frame);
    EXPECT_NE(out, nullptr);
    return out;
  }
  std::string untouched() const { return std::string(GST_VIDEO_INFO_SIZE(&info_), static_cast<char>(grey)); }

  static constexpr guint8 grey = 200;
  GstHarness* harness_ = nullptr;
  GstVideoInfo info_{};
};

TEST_F(ResnetOverlay, BlendsIntoEveryFormatThatItOffers) {
  for (const GstVideoFormat format : every_format()) {
    SCOPED_TRACE(gst_video_format_to_string(format));
    open(format, 161, 121);
    const Classification result = flowers();
    GstBuffer* out = play(&result);
    EXPECT_FALSE(bytes_of(out) == untouched());
    EXPECT_EQ(gst_buffer_get_meta(out, composition_info()->api), nullptr);
    Classification drawn = flowers();
    drawn.drawn = true;
    EXPECT_EQ(read_classification_meta(out), drawn);
    gst_buffer_unref(out);
    gst_harness_teardown(harness_);
    harness_ = nullptr;
  }
}

TEST_F(ResnetOverlay, KeepsTheAlphaOfAnOpaqueFrame) {
  open(GST_VIDEO_FORMAT_RGBA, 160, 120);
  const Classification result = flowers();
  GstBuffer* out =
      play(&result, [](GstBuffer* frame) { gst_buffer_memset(frame, 0, 255, gst_buffer_get_size(frame)); });
  const std::string bytes = bytes_of(out);
  bool dark = false;
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    ASSERT_GE(static_cast<guint8>(bytes[i + 3]), 253);
    dark = dark || static_cast<guint8>(bytes[i]) < 120;
  }
  EXPECT_TRUE(dark) << "the plate darkens the white frame";
  gst_buffer_unref(out);
}

TEST_F(ResnetOverlay, AttachesWhereDownstreamRendersAndLeavesThePixels) {
  open(GST_VIDEO_FORMAT_NV12, 320, 240, true);
  const Classification result = flowers();
  GstMemory* memory = nullptr;
  GstBuffer* out = play(&result, [&memory](GstBuffer* frame) { memory = gst_buffer_peek_memory(frame, 0); });
  EXPECT_EQ(gst_buffer_peek_memory(out, 0), memory) << "the frame's memory must pass through";
  EXPECT_TRUE(bytes_of(out) == untouched());
  GstVideoOverlayCompositionMeta* meta = gst_buffer_get_video_overlay_composition_meta(out);
  ASSERT_NE(meta, nullptr);
  ASSERT_EQ(gst_video_overlay_composition_n_rectangles(meta->overlay), 1u);
  gint x = 0, y = 0;
  guint width = 0, height = 0;
  gst_video_overlay_rectangle_get_render_rectangle(
      gst_video_overlay_composition_get_rectangle(meta->overlay, 0), &x, &y, &width, &height);
  EXPECT_LE(x + static_cast<gint>(width), 320);
  EXPECT_LE(y + static_cast<gint>(height), 240);
  EXPECT_TRUE(read_classification_meta(out)->drawn);
  gst_buffer_unref(out);
}

TEST_F(ResnetOverlay, SharesTheCompositionWithSubtitlesThatAreThere) {
  open(GST_VIDEO_FORMAT_NV12, 320, 240, true);
  Overlay subtitles;
  subtitles.set_format(info_, true);
  const Classification result = flowers();
  GstBuffer* out = play(&result, [&subtitles](GstBuffer* frame) {
    subtitles.draw(frame, {.lines = {{"a subtitle", 1}}, .regions = {}});
  });
  EXPECT_EQ(gst_buffer_get_n_meta(out, composition_info()->api), 1u);
  EXPECT_EQ(
      gst_video_overlay_composition_n_rectangles(gst_buffer_get_video_overlay_composition_meta(out)->overlay),
      2u);
  gst_buffer_unref(out);
}

TEST_F(ResnetOverlay, OutlinesRegionsAndLeavesWhatIsInThem) {
  open(GST_VIDEO_FORMAT_GRAY8, 320, 240);
  GstBuffer* out = play(nullptr, [](GstBuffer* frame) {
    gst_buffer_add_video_region_of_interest_meta(frame, "flower", 100, 90, 120, 100);
    gst_buffer_add_video_region_of_interest_meta(frame, "face", 10, 200, 20, 20);
    add_region_result(frame, 0, {"camera 1", "flowers.pth", 0, {{4, "tulips", 0.75}}});
  });
  const std::string bytes = bytes_of(out);
  const auto pixel = [&](int x, int y) {
    return static_cast<guint8>(bytes[static_cast<std::size_t>(y * 320 + x)]);
  };
  EXPECT_NE(pixel(160, 91), grey) << "the upper edge";
  EXPECT_NE(pixel(160, 188), grey) << "the lower edge";
  EXPECT_NE(pixel(101, 140), grey) << "the left edge";
  EXPECT_NE(pixel(218, 140), grey) << "the right edge";
  EXPECT_EQ(pixel(160, 140), grey) << "the middle";
  EXPECT_NE(pixel(105, 85), grey) << "the label stands above";
  EXPECT_EQ(pixel(20, 201), grey) << "a region without a class";
  EXPECT_TRUE(read_region_results(out).at(0).results.at(0).drawn);
  gst_buffer_unref(out);
}

TEST_F(ResnetOverlay, LeavesFramesAloneThatHaveNothingToDraw) {
  open(GST_VIDEO_FORMAT_RGB, 160, 120);
  Classification none = flowers(), drawn = flowers();
  none.scores.clear();
  drawn.drawn = true;
  for (const Classification* result :
       {static_cast<const Classification*>(nullptr), static_cast<const Classification*>(&none),
        static_cast<const Classification*>(&drawn)}) {
    // Somebody else holds the frame too; without drawing it goes through as the very same buffer.
    GstBuffer* held = nullptr;
    GstBuffer* out = play(result, [&held](GstBuffer* frame) { held = gst_buffer_ref(frame); });
    EXPECT_EQ(out, held);
    EXPECT_TRUE(bytes_of(out) == untouched());
    gst_buffer_unref(held);
    gst_buffer_unref(out);
  }
}

TEST_F(ResnetOverlay, NeverDrawsOnAFrameThatOthersHold) {
  open(GST_VIDEO_FORMAT_I420, 160, 120);
  const Classification result = flowers();
  GstBuffer* held = nullptr;
  GstBuffer* out = play(&result, [&held](GstBuffer* frame) { held = gst_buffer_ref(frame); });
  EXPECT_TRUE(bytes_of(held) == untouched());
  EXPECT_FALSE(read_classification_meta(held)->drawn);
  EXPECT_FALSE(bytes_of(out) == untouched());
  EXPECT_EQ(GST_BUFFER_DURATION(out), 40 * GST_MSECOND);
  gst_buffer_unref(held);
  gst_buffer_unref(out);
}

TEST_F(ResnetOverlay, FramesTooSmallForTextPassUndrawn) {
  for (const auto& [width, height] : {std::pair<guint, guint>{1, 1}, {15, 200}, {200, 15}}) {
    open(GST_VIDEO_FORMAT_RGB, width, height);
    const Classification result = flowers();
    GstBuffer* out = play(&result);
    EXPECT_FALSE(read_classification_meta(out)->drawn);
    gst_buffer_unref(out);
    gst_harness_teardown(harness_);
    harness_ = nullptr;
  }
}

TEST_F(ResnetOverlay, ThresholdAndMaxLinesChooseWhatIsDrawn) {
  open(GST_VIDEO_FORMAT_RGB, 320, 240);
  const Classification both = flowers();
  Classification best = flowers();
  best.scores.resize(1);
  GstBuffer* only = play(&best);
  g_object_set(harness_->element, "max-lines", 1u, nullptr);
  GstBuffer* limited = play(&both);
  EXPECT_TRUE(bytes_of(limited) == bytes_of(only));
  g_object_set(harness_->element, "max-lines", 5u, "threshold", 0.5, nullptr);
  GstBuffer* likely = play(&both);
  EXPECT_TRUE(bytes_of(likely) == bytes_of(only));
  g_object_set(harness_->element, "threshold", 0.9, nullptr);
  GstBuffer* nothing = play(&both);
  EXPECT_TRUE(bytes_of(nothing) == untouched());
  EXPECT_FALSE(read_classification_meta(nothing)->drawn);
  for (GstBuffer* buffer : {only, limited, likely, nothing}) gst_buffer_unref(buffer);
}

TEST_F(ResnetOverlay, FollowsTheFramesSize) {
  open(GST_VIDEO_FORMAT_RGB, 320, 240, true);
  const Classification result = flowers();
  const auto width_of_caption = [](GstBuffer* out) {
    guint width = 0;
    gst_video_overlay_rectangle_get_render_rectangle(
        gst_video_overlay_composition_get_rectangle(
            gst_buffer_get_video_overlay_composition_meta(out)->overlay, 0),
        nullptr, nullptr, &width, nullptr);
    gst_buffer_unref(out);
    return width;
  };
  const guint before = width_of_caption(play(&result));
  info_ = video_info(GST_VIDEO_FORMAT_RGB, 1280, 960);
  gst_harness_set_src_caps_str(harness_, caps_text(GST_VIDEO_FORMAT_RGB, 1280, 960).c_str());
  EXPECT_GT(width_of_caption(play(&result)), 2 * before);
}

TEST(Overlay, KeepsTheBitmapWhileWhatItShowsStays) {
  const GstVideoInfo info = video_info(GST_VIDEO_FORMAT_RGB, 320, 240);
  Overlay overlay;
  overlay.set_format(info, true);
  const auto composition = [&](double probability) {
    GstBuffer* frame = new_frame(info, 0);
    EXPECT_TRUE(overlay.draw(frame, {.lines = {{"tulips", probability}}, .regions = {}}));
    const guint number = gst_video_overlay_composition_get_seqnum(
        gst_buffer_get_video_overlay_composition_meta(frame)->overlay);
    gst_buffer_unref(frame);
    return number;
  };
  const guint first = composition(0.5);
  EXPECT_EQ(composition(0.50001), first);
  EXPECT_NE(composition(0.6), first);
  const guint nan = composition(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(composition(std::numeric_limits<double>::quiet_NaN()), nan);
}

}  // namespace
}  // namespace resnet
