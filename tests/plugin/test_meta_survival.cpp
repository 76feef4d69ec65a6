// What becomes of the results on the way through GStreamer's own elements; gstresnetmeta.h says the same.
#include <optional>

#include "plugin/region_results.h"
#include "tests/plugin/fixture.h"

namespace resnet {
namespace {

using Regions = std::vector<RegionResult>;

struct Seen {
  std::optional<Classification> classification;
  Regions regions;
};

/// What the first frame carries that reaches the appsink of that name.
Seen pull(GstElement* pipeline, const char* name) {
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), name);
  GstSample* sample = nullptr;
  g_signal_emit_by_name(sink, "try-pull-sample", 20 * GST_SECOND, &sample);
  gst_object_unref(sink);
  EXPECT_NE(sample, nullptr) << name;
  if (sample == nullptr) return {};
  Seen seen{read_classification_meta(gst_sample_get_buffer(sample)),
            read_region_results(gst_sample_get_buffer(sample))};
  gst_sample_unref(sample);
  return seen;
}

const RegionClassification tulips{"camera 1", "flowers.pth", 0, {{4, "tulips", 0.75}}};
const RegionResult region{"face", {16, 12, 20, 8}, std::nullopt, {tulips}};

/// Sends a classified frame of 64×48 with a classified region through the elements behind an appsrc.
std::vector<Seen> play(const std::string& elements, const std::vector<const char*>& sinks) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(("appsrc name=source format=time ! " + elements).c_str(), &error);
  EXPECT_EQ(error, nullptr) << error->message;
  GstElement* source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
  GstCaps* caps = gst_caps_from_string(caps_text(GST_VIDEO_FORMAT_I420, 64, 48).c_str());
  g_object_set(source, "caps", caps, nullptr);
  gst_caps_unref(caps);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBuffer* frame = new_frame(video_info(GST_VIDEO_FORMAT_I420, 64, 48), 90);
  add_classification_meta(frame, flowers());
  gst_buffer_add_video_region_of_interest_meta(frame, "face", 16, 12, 20, 8);
  add_region_result(frame, 0, tulips);
  GstFlowReturn flow = GST_FLOW_ERROR;
  g_signal_emit_by_name(source, "push-buffer", frame, &flow);
  gst_buffer_unref(frame);
  g_signal_emit_by_name(source, "end-of-stream", &flow);
  gst_object_unref(source);
  std::vector<Seen> seen;
  for (const char* sink : sinks) seen.push_back(pull(pipeline, sink));
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return seen;
}

Seen play(const std::string& elements) {
  return play(elements + " ! appsink name=sink sync=false", {"sink"}).at(0);
}

TEST(MetaSurvival, ATeesBranchesBothHaveIt) {
  for (const Seen& seen :
       play("tee name=t t. ! queue ! appsink name=a sync=false t. ! queue ! videoconvert ! "
            "video/x-raw,format=RGB ! appsink name=b sync=false",
            {"a", "b"})) {
    EXPECT_EQ(seen.classification, flowers());
    EXPECT_EQ(seen.regions.size(), 1u);
  }
}

TEST(MetaSurvival, WhatLeavesThePictureAsItIsKeepsAllOfIt) {
  for (const char* elements :
       {"identity", "queue", "queue2", "videorate", "videobalance hue=0.5",
        "videoconvert ! video/x-raw,format=I420", "videoscale", "vp8enc deadline=1 ! vp8dec"}) {
    SCOPED_TRACE(elements);
    const Seen seen = play(elements);
    EXPECT_EQ(seen.classification, flowers());
    EXPECT_EQ(seen.regions, Regions{region});
  }
}

TEST(MetaSurvival, OtherPixelsAndSizesKeepTheFramesClassesAndScaleTheRegions) {
  for (const auto& [elements, divisor] : {std::pair{"videoconvert ! video/x-raw,format=RGB", 1U},
                                          {"videoscale ! video/x-raw,width=32,height=24", 2U}}) {
    SCOPED_TRACE(elements);
    Seen seen = play(elements);
    EXPECT_EQ(seen.classification, flowers());
    ASSERT_EQ(seen.regions.size(), 1u);
    // GStreamer 1.22 leaves a region's parameters behind.
    seen.regions[0].results = region.results;
    EXPECT_EQ(
        seen.regions[0],
        (RegionResult{
            "face", {16 / divisor, 12 / divisor, 20 / divisor, 8 / divisor}, std::nullopt, region.results}));
  }
}

TEST(MetaSurvival, TurningAndCroppingKeepTheFramesClasses) {
  for (const char* elements : {"videoflip video-direction=90r", "videoflip video-direction=horiz",
                               "videocrop left=8 top=4", "videobox left=8", "videobox left=-8"}) {
    EXPECT_EQ(play(elements).classification, flowers()) << elements;
  }
}

TEST(MetaSurvival, APictureMadeOfSeveralHasNone) { EXPECT_FALSE(play("compositor").classification); }

TEST(MetaSurvival, BuffersThatAreCopiedHaveItToo) {
  GstBuffer* frame = gst_buffer_new_allocate(nullptr, 16, nullptr);
  add_classification_meta(frame, flowers());
  gst_buffer_add_video_region_of_interest_meta(frame, "face", 16, 12, 20, 8);
  add_region_result(frame, 0, tulips);
  GstBuffer* metas = gst_buffer_new();
  gst_buffer_copy_into(metas, frame, GST_BUFFER_COPY_META, 0, static_cast<gsize>(-1));
  // With another holder, writable is a copy.
  for (GstBuffer* copy : {gst_buffer_copy(frame), gst_buffer_copy_deep(frame), metas,
                          gst_buffer_copy_region(frame, GST_BUFFER_COPY_ALL, 4, 8),
                          gst_buffer_make_writable(gst_buffer_ref(frame))}) {
    EXPECT_NE(copy, frame);
    EXPECT_EQ(read_classification_meta(copy), flowers());
    EXPECT_EQ(read_region_results(copy), Regions{region});
    gst_buffer_unref(copy);
  }
  gst_buffer_unref(frame);
}

}  // namespace
}  // namespace resnet
