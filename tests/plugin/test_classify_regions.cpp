// The regions of frames: which resnetclassify classifies, and what it says of them from frame to frame.
#include <thread>

#include "plugin/region_results.h"
#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

class ClassifyRegions : public ResnetClassify {
 protected:
  /// A frame with a region of 32 pixels at that place, which a tracker has numbered unless that is negative.
  GstBuffer* frame_with_region(int number, guint x, int object = -1) {
    GstBuffer* buffer = frame(number);
    add_region(buffer, x, object);
    return buffer;
  }
  static void add_region(GstBuffer* buffer, guint x, int object = -1) {
    auto* region = gst_buffer_add_video_region_of_interest_meta(buffer, "flower", x, 4, 32, 32);
    if (object < 0) return;
    gst_video_region_of_interest_meta_add_param(
        region, gst_structure_new("object_id", "id", G_TYPE_INT, object, nullptr));
  }
  /// What the element says of the regions of a frame.
  std::vector<RegionResult> classify(GstBuffer* in) {
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    EXPECT_NE(out, nullptr);
    if (out == nullptr) return {};
    std::vector<RegionResult> regions = read_region_results(out);
    gst_buffer_unref(out);
    return regions;
  }
};

TEST_F(ClassifyRegions, RegionsAreClassifiedAndKeepTheirs) {
  open({{"inference-region", "roi-list"}, {"object-class", "leaf, flower"}, {"min-region-size", "10"}},
       GST_VIDEO_FORMAT_NV12, 96, 80);
  GstBuffer* in = frame(2);
  gst_buffer_add_video_region_of_interest_meta(in, "face", 0, 0, 20, 20);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 10, 12, 41, 33);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 5, 5, 9, 50);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 200, 0, 50, 50);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 60, 40, 500, 500);
  const std::string before = bytes_of(in);
  GstBuffer* out = gst_harness_push_and_pull(harness_, in);
  EXPECT_FALSE(read_classification_meta(out)) << "the frame was not asked for";
  EXPECT_TRUE(bytes_of(out) == before);
  std::vector<bool> classified;
  gpointer state = nullptr;
  while (GstMeta* meta =
             gst_buffer_iterate_meta_filtered(out, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) {
    const GstStructure* result = gst_video_region_of_interest_meta_get_param(
        reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta), "classification");
    classified.push_back(result != nullptr);
    if (result == nullptr) continue;
    gint id = -1;
    gdouble confidence = -1;
    ASSERT_TRUE(gst_structure_get_int(result, "label_id", &id));
    ASSERT_TRUE(gst_structure_get_double(result, "confidence", &confidence));
    EXPECT_EQ(test_classes.at(static_cast<std::size_t>(id)), gst_structure_get_string(result, "label"));
    EXPECT_STREQ(gst_structure_get_string(result, "model_name"), "flowers.pth");
    EXPECT_GT(confidence, 0.2);
  }
  // Another type, too narrow and outside are left out; one that reaches beyond the frame is cut off.
  EXPECT_EQ(classified, (std::vector<bool>{false, true, false, false, true}));
  EXPECT_EQ(stat("inferences"), 2u);
  gst_buffer_unref(out);
  g_object_set(element(), "overlay", TRUE, nullptr);
  in = frame(3);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 10, 12, 41, 33);
  const std::string plain = bytes_of(in);
  out = gst_harness_push_and_pull(harness_, in);
  EXPECT_FALSE(bytes_of(out) == plain) << "the region is outlined";
  gst_buffer_unref(out);
}

TEST_F(ClassifyRegions, FramesInBetweenCarryTheLastResultsOfTheirRegions) {
  open({{"inference-region", "roi-list"}, {"inference-interval", "3"}}, GST_VIDEO_FORMAT_RGB, 96, 80);
  std::vector<RegionClassification> last;
  for (int i = 0; i < 7; ++i) {
    GstBuffer* in = frame(i);
    if (i != 4) add_region(in, static_cast<guint>(2 * i));
    if (i > 0) add_region(in, 60);
    const std::vector<RegionResult> regions = classify(in);
    const RegionResult& moving = i == 4 ? regions.at(0) : regions.front();
    if (i == 4) {
      EXPECT_TRUE(moving.results.empty() || moving.box.x == 60);
      continue;
    }
    ASSERT_EQ(moving.results.size(), 1u) << i;
    EXPECT_EQ(moving.results[0].stream, GST_OBJECT_NAME(element()));
    EXPECT_EQ(moving.results[0].age, static_cast<guint64>(i % 3) * 40 * GST_MSECOND) << i;
    if (i % 3 == 0) last = moving.results;
    EXPECT_EQ(moving.results[0].scores, last.at(0).scores) << i;
    if (i == 0) continue;
    EXPECT_EQ(regions.at(1).results.empty(), i < 3) << "it came after the last classified frame";
  }
  EXPECT_EQ(stat("inferences"), 5u);
}

TEST_F(ClassifyRegions, ATrackedObjectIsClassifiedAgainAfterTheInterval) {
  open({{"inference-region", "roi-list"}, {"reclassify-interval", "4"}}, GST_VIDEO_FORMAT_RGB, 96, 80);
  for (int i = 0; i < 8; ++i) {
    // Jumps about: only its number tells that it is the same.
    GstBuffer* in = frame_with_region(i, i % 2 == 0 ? 0 : 60, 7);
    add_region(in, 30);
    const std::vector<RegionResult> regions = classify(in);
    ASSERT_EQ(regions.at(0).results.size(), 1u) << i;
    EXPECT_EQ(regions.at(0).tracking, 7u);
    EXPECT_EQ(regions.at(0).results[0].age, static_cast<guint64>(i % 4) * 40 * GST_MSECOND) << i;
    EXPECT_EQ(regions.at(1).results.at(0).age, 0u) << "nobody has numbered it: it is classified each time";
  }
  EXPECT_EQ(stat("inferences"), 2u + 8u);
  g_object_set(element(), "reclassify-interval", 0, nullptr);
  for (int i = 8; i < 20; ++i) EXPECT_EQ(classify(frame_with_region(i, 0, 8)).at(0).results.size(), 1u);
  EXPECT_EQ(stat("inferences"), 2u + 8u + 1u);
  EXPECT_EQ(classify(frame_with_region(20, 0, 9)).at(0).results.size(), 1u);
  EXPECT_EQ(stat("inferences"), 2u + 8u + 2u) << "another object";
}

TEST_F(ClassifyRegions, AnObjectThatBecomesOneOfAnotherTypeIsClassifiedAgain) {
  open({{"inference-region", "roi-list"}, {"reclassify-interval", "0"}}, GST_VIDEO_FORMAT_RGB, 96, 80);
  for (int i = 0; i < 6; ++i) {
    GstBuffer* in = frame(i);
    add_region(in, 0, 7);
    auto* region = reinterpret_cast<GstVideoRegionOfInterestMeta*>(
        gst_buffer_get_meta(in, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
    region->roi_type = g_quark_from_static_string(i % 2 == 0 ? "car" : "truck");
    EXPECT_EQ(classify(in).at(0).results.size(), 1u) << i;
  }
  EXPECT_EQ(stat("inferences"), 2u);
}

// The network takes longer over one than a frame lasts: no frame has room for all.
TEST_F(ClassifyRegions, WhatTheNetworkHadNoRoomForIsClassifiedWhenItComesAgain) {
  for (const bool numbered : {true, false}) {
    open_live({{"inference-region", "roi-list"},
               {"reclassify-interval", numbered ? "0" : "1"},
               {"batch-size", "1"},
               {"threads", "1"},
               {"model", test_model(1024).string()}},
              GST_VIDEO_FORMAT_RGB, 128, 80);
    std::size_t labelled = 0;
    for (int i = 0; i < 10'000 && labelled < 6; ++i) {
      GstBuffer* in = frame(i);
      for (int n = 0; n < 6; ++n) add_region(in, static_cast<guint>(19 * n), numbered ? n + 1 : -1);
      labelled = 0;
      for (const RegionResult& region : classify(in)) labelled += region.results.size();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(labelled, 6u) << (numbered ? "by their numbers" : "by their places");
    EXPECT_TRUE(!numbered || stat("inferences") == 6) << "each once";
    TearDown();
  }
}

TEST_F(ClassifyRegions, ANewSegmentStartsAnew) {
  open({{"inference-region", "roi-list"}, {"reclassify-interval", "0"}}, GST_VIDEO_FORMAT_RGB, 96, 80);
  classify(frame_with_region(0, 0, 7));
  classify(frame_with_region(1, 0, 7));
  EXPECT_EQ(stat("inferences"), 1u);
  start_segment();
  EXPECT_EQ(classify(frame_with_region(0, 0, 7)).at(0).results.at(0).age, 0u);
  EXPECT_EQ(stat("inferences"), 2u);
}

TEST_F(ClassifyRegions, EachOfSeveralClassesIsNamed) {
  open({{"inference-region", "roi-list"}, {"top-k", "3"}}, GST_VIDEO_FORMAT_RGB, 96, 80);
  const std::vector<RegionResult> regions = classify(frame_with_region(0, 0));
  const std::vector<ClassScore>& scores = regions.at(0).results.at(0).scores;
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_GE(scores[0].probability, scores[1].probability);
}

TEST_F(ClassifyRegions, SmoothingAndHysteresisAreOfEachRegion) {
  open({{"inference-region", "roi-list"}, {"top-k", "5"}, {"smoothing", "0.5"}}, GST_VIDEO_FORMAT_RGB, 96,
       80);
  const auto probabilities = [](const RegionResult& region) {
    std::vector<double> values(test_classes.size());
    for (const ClassScore& score : region.results.at(0).scores) {
      values[static_cast<std::size_t>(score.id)] = score.probability;
    }
    return values;
  };
  const std::vector<double> first = probabilities(classify(frame_with_region(0, 0)).at(0));
  const std::vector<double> smoothed = probabilities(classify(frame_with_region(1, 0)).at(0));
  g_object_set(element(), "smoothing", 0.0, nullptr);
  const std::vector<double> second = probabilities(classify(frame_with_region(1, 0)).at(0));
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_NEAR(smoothed[i], (first[i] + second[i]) / 2, 1e-5);
  }
}

TEST_F(ClassifyRegions, ALiveSourceThatIsTooFastKeepsItsLabels) {
  make({{"inference-region", "roi-list"}, {"batch-size", "2"}, {"max-in-flight", "2"}, {"threads", "1"}});
  gst_harness_set_live(harness_, TRUE);
  send_caps(GST_VIDEO_FORMAT_RGB, 96, 80);
  GstQuery* query = gst_query_new_latency();
  ASSERT_TRUE(gst_pad_peer_query(harness_->sinkpad, query));
  gst_query_unref(query);
  bool has_result = false;
  for (int i = 0; i < 300; ++i) ASSERT_EQ(gst_harness_push(harness_, frame_with_region(i, 0)), GST_FLOW_OK);
  for (int i = 0; i < 300; ++i) {
    GstBuffer* out = gst_harness_pull(harness_);
    ASSERT_NE(out, nullptr);
    const bool has_now = !read_region_results(out).at(0).results.empty();
    EXPECT_TRUE(has_now || !has_result) << i;
    has_result = has_result || has_now;
    gst_buffer_unref(out);
  }
  EXPECT_TRUE(has_result);
  EXPECT_LT(stat("inferences"), 300u) << "frames came faster than the network takes them";
}

TEST_F(ClassifyRegions, ASecondElementsResultStandsBesideTheFirsts) {
  open({{"inference-region", "roi-list"}}, GST_VIDEO_FORMAT_RGB, 96, 80);
  GstBuffer* in = frame_with_region(0, 0);
  add_region_result(in, 0, {"colour", "colours.pth", 0, {{2, "red", 0.75}}});
  const std::vector<RegionResult> regions = classify(in);
  ASSERT_EQ(regions.at(0).results.size(), 2u);
  EXPECT_EQ(regions[0].results[0].scores.at(0).label, "red");
  EXPECT_EQ(regions[0].results[1].model, "flowers.pth");
}

}  // namespace
}  // namespace resnet
