// What resnetclassify says about frames, and what it leaves of them.
#include <algorithm>

#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

Classification result_of(GstBuffer* buffer) {
  const std::optional<Classification> result = read_classification_meta(buffer);
  EXPECT_TRUE(result.has_value());
  return result.value_or(Classification{});
}

/// All classes with the probabilities of the reference, best first.
void expect_result(const Classification& result, const std::vector<double>& expected) {
  ASSERT_EQ(result.scores.size(), expected.size());
  for (std::size_t i = 0; i < result.scores.size(); ++i) {
    const ClassScore& score = result.scores[i];
    EXPECT_NEAR(score.probability, expected.at(static_cast<std::size_t>(score.id)), 1e-4);
    EXPECT_EQ(score.label, test_classes[static_cast<std::size_t>(score.id)]);
    if (i > 0) {
      EXPECT_LE(score.probability, result.scores[i - 1].probability);
    }
  }
}

TEST_F(ResnetClassify, SaysToEveryFormatWhatTheNetworkSays) {
  for (const GstVideoFormat format : every_format()) {
    SCOPED_TRACE(gst_video_format_to_string(format));
    open({{"top-k", "5"}}, format, 75, 53);
    GstBuffer* in = frame(3);
    const std::vector<double> expected = expected_probabilities(info_, in);
    const std::string bytes = bytes_of(in);
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    expect_result(result_of(out), expected);
    EXPECT_TRUE(bytes_of(out) == bytes);
    gst_buffer_unref(out);
    TearDown();
  }
}

TEST_F(ResnetClassify, FramesOfOneBatchGetTheirOwnResults) {
  open({{"top-k", "5"}, {"batch-size", "4"}, {"batch-timeout", std::to_string(GST_SECOND * 3600)}});
  std::vector<std::vector<double>> expected;
  std::vector<int> best;
  for (int i = 0; i < 8; ++i) {
    GstBuffer* in = frame(i);
    expected.push_back(expected_probabilities(info_, in));
    ASSERT_EQ(gst_harness_push(harness_, in), GST_FLOW_OK);
  }
  for (int i = 0; i < 8; ++i) {
    GstBuffer* out = gst_harness_pull(harness_);
    ASSERT_NE(out, nullptr);
    const Classification result = result_of(out);
    expect_result(result, expected[static_cast<std::size_t>(i)]);
    best.push_back(result.scores.at(0).id);
    gst_buffer_unref(out);
  }
  EXPECT_NE(std::count(best.begin(), best.end(), best[0]), 8) << "the frames must tell the results apart";
}

TEST_F(ResnetClassify, MetaNamesModelAndStream) {
  open();
  GstBuffer* out = play(0);
  const Classification result = result_of(out);
  EXPECT_EQ(result.model, "flowers.pth");
  EXPECT_TRUE(result.digest.starts_with("sha256:")) << result.digest;
  EXPECT_EQ(result.stream, GST_OBJECT_NAME(element()));
  EXPECT_EQ(result.age, 0u);
  EXPECT_FALSE(result.drawn);
  EXPECT_EQ(result.scores.size(), 1u) << "top-k is 1";
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, KeepsMemoryTimesFlagsAndOtherMetas) {
  open();
  GstBuffer* in = frame(7);
  const GstMemory* memory = gst_buffer_peek_memory(in, 0);
  GST_BUFFER_DTS(in) = 5;
  GST_BUFFER_OFFSET(in) = 70;
  GST_BUFFER_OFFSET_END(in) = 71;
  GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_MARKER);
  gst_buffer_add_video_region_of_interest_meta(in, "face", 1, 2, 3, 4);
  GstBuffer* held = gst_buffer_ref(in);  // somebody else has the frame too
  GstBuffer* out = gst_harness_push_and_pull(harness_, in);
  EXPECT_EQ(gst_buffer_peek_memory(out, 0), memory);
  EXPECT_EQ(GST_BUFFER_PTS(out), 280 * GST_MSECOND);
  EXPECT_EQ(GST_BUFFER_DTS(out), 5u);
  EXPECT_EQ(GST_BUFFER_DURATION(out), 40 * GST_MSECOND);
  EXPECT_EQ(GST_BUFFER_OFFSET(out), 70u);
  EXPECT_EQ(GST_BUFFER_OFFSET_END(out), 71u);
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_DISCONT));
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_MARKER));
  EXPECT_NE(gst_buffer_get_video_region_of_interest_meta_id(out, 0), nullptr);
  EXPECT_FALSE(read_classification_meta(held).has_value()) << "the other holder's frame was written to";
  gst_buffer_unref(held);
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, RowsWithPaddingAndAnOffset) {
  open({{"top-k", "5"}}, GST_VIDEO_FORMAT_NV12, 50, 38);
  GstBuffer* plain = frame(1);
  const std::vector<double> expected = expected_probabilities(info_, plain);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {64, 64 + 80 * 38};
  gint strides[GST_VIDEO_MAX_PLANES] = {80, 96};
  GstBuffer* padded = gst_buffer_new_allocate(nullptr, 64 + 80 * 38 + 96 * 19, nullptr);
  gst_buffer_memset(padded, 0, 255, gst_buffer_get_size(padded));
  gst_buffer_add_video_meta_full(padded, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 50, 38, 2, offsets,
                                 strides);
  GstVideoFrame from, to;
  ASSERT_TRUE(gst_video_frame_map(&from, &info_, plain, GST_MAP_READ));
  ASSERT_TRUE(gst_video_frame_map(&to, &info_, padded, GST_MAP_WRITE));
  gst_video_frame_copy(&to, &from);
  gst_video_frame_unmap(&to);
  gst_video_frame_unmap(&from);
  gst_buffer_unref(plain);
  GstBuffer* out = gst_harness_push_and_pull(harness_, padded);
  expect_result(result_of(out), expected);
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, ColorimetryIsRespected) {
  std::vector<double> last;
  for (const char* colorimetry : {"bt601", "bt709", "1:4:0:0"}) {
    SCOPED_TRACE(colorimetry);
    make({{"top-k", "5"}});
    info_ = video_info(GST_VIDEO_FORMAT_I420, 64, 48);
    ASSERT_TRUE(gst_video_colorimetry_from_string(&info_.colorimetry, colorimetry));
    gst_harness_set_src_caps(harness_, gst_video_info_to_caps(&info_));
    GstBuffer* in = frame(4);
    const std::vector<double> expected = expected_probabilities(info_, in);
    EXPECT_NE(expected, last) << "the colorimetry must make a difference to the test";
    last = expected;
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    expect_result(result_of(out), expected);
    gst_buffer_unref(out);
    TearDown();
  }
}

TEST_F(ResnetClassify, TopKAndThresholdMayChangeWhilePlaying) {
  open({{"top-k", "2"}});
  GstBuffer* out = play(0);
  EXPECT_EQ(result_of(out).scores.size(), 2u);
  gst_buffer_unref(out);
  g_object_set(element(), "top-k", 4, nullptr);
  out = play(1);
  const std::vector<ClassScore> four = result_of(out).scores;
  ASSERT_EQ(four.size(), 4u);
  gst_buffer_unref(out);
  g_object_set(element(), "threshold", (four[1].probability + four[2].probability) / 2, nullptr);
  out = play(1);
  EXPECT_EQ(result_of(out).scores, (std::vector<ClassScore>{four[0], four[1]}));
  gst_buffer_unref(out);
  g_object_set(element(), "threshold", 1.0, nullptr);
  out = play(1);
  EXPECT_TRUE(result_of(out).scores.empty()) << "none of these";
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, BatchSizeAndPrecisionDoNotChangeTheAnswer) {
  open({{"top-k", "5"}, {"batch-size", "1"}, {"precision", "auto"}, {"threads", "1"}});
  GstBuffer* in = frame(2);
  const std::vector<double> expected = expected_probabilities(info_, in);
  GstBuffer* out = gst_harness_push_and_pull(harness_, in);
  for (const ClassScore& score : result_of(out).scores) {
    EXPECT_NEAR(score.probability, expected[static_cast<std::size_t>(score.id)], 0.02);
  }
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, OverlayDrawsAndSaysSo) {
  open({{"overlay", "true"}}, GST_VIDEO_FORMAT_I420, 320, 240);
  GstBuffer* in = frame(0);
  const std::string before = bytes_of(in);
  GstBuffer* held = gst_buffer_ref(in);
  GstBuffer* out = gst_harness_push_and_pull(harness_, in);
  EXPECT_TRUE(result_of(out).drawn);
  EXPECT_FALSE(bytes_of(out) == before);
  EXPECT_TRUE(bytes_of(held) == before) << "the other holder's frame was drawn on";
  gst_buffer_unref(held);
  gst_buffer_unref(out);
  g_object_set(element(), "overlay", FALSE, nullptr);
  in = frame(1);
  const std::string second = bytes_of(in);
  out = gst_harness_push_and_pull(harness_, in);
  EXPECT_FALSE(result_of(out).drawn);
  EXPECT_TRUE(bytes_of(out) == second);
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, OverlayIsAttachedWhereDownstreamRendersIt) {
  make({{"overlay", "true"}});
  gst_harness_add_propose_allocation_meta(harness_, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
  send_caps(GST_VIDEO_FORMAT_NV12, 320, 240);
  GstBuffer* in = frame(0);
  const GstMemory* memory = gst_buffer_peek_memory(in, 0);
  GstBuffer* out = gst_harness_push_and_pull(harness_, in);
  EXPECT_TRUE(result_of(out).drawn);
  EXPECT_EQ(gst_buffer_peek_memory(out, 0), memory);
  EXPECT_NE(gst_buffer_get_video_overlay_composition_meta(out), nullptr);
  gst_buffer_unref(out);
}

}  // namespace
}  // namespace resnet
