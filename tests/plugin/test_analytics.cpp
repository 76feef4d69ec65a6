// What resnetclassify writes for plain GStreamer's readers, and reads from its detectors (GStreamer 1.24 and
// newer).
#include <string>
#include <vector>

#include <gst/analytics/analytics.h>

#include "plugin/analytics_meta.h"
#include "plugin/region_results.h"
#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

/// A GstAnalyticsClsMtd.
struct Classes {
  std::vector<std::string> labels;
  std::vector<double> confidences;
  std::vector<guint> objects;  ///< ids of the GstAnalyticsODMtds that it is related to

  bool operator==(const Classes&) const = default;
};

std::vector<GstAnalyticsMtd> all_of(GstBuffer* buffer, GstAnalyticsMtdType type) {
  std::vector<GstAnalyticsMtd> found;
  GstAnalyticsRelationMeta* relations = gst_buffer_get_analytics_relation_meta(buffer);
  gpointer state = nullptr;
  GstAnalyticsMtd one;
  while (relations && gst_analytics_relation_meta_iterate(relations, &state, type, &one))
    found.push_back(one);
  return found;
}

std::vector<Classes> classes_of(GstBuffer* buffer) {
  std::vector<Classes> all;
  for (GstAnalyticsMtd& mtd : all_of(buffer, gst_analytics_cls_mtd_get_mtd_type())) {
    Classes classes;
    for (gsize i = 0; i < gst_analytics_cls_mtd_get_length(&mtd); ++i) {
      classes.labels.emplace_back(g_quark_to_string(gst_analytics_cls_mtd_get_quark(&mtd, i)));
      classes.confidences.push_back(static_cast<double>(gst_analytics_cls_mtd_get_level(&mtd, i)));
    }
    for (const GstAnalyticsMtd& object : all_of(buffer, gst_analytics_od_mtd_get_mtd_type())) {
      const auto there = gst_analytics_relation_meta_get_relation(mtd.meta, object.id, mtd.id);
      const auto back = gst_analytics_relation_meta_get_relation(mtd.meta, mtd.id, object.id);
      EXPECT_EQ(there, back);
      if (there == GST_ANALYTICS_REL_TYPE_RELATE_TO) classes.objects.push_back(object.id);
    }
    all.push_back(classes);
  }
  return all;
}

guint add_object(GstBuffer* buffer, const char* type, gint x, gint y, gint width, gint height,
                 float confidence = 0.5F) {
  GstAnalyticsODMtd object{};
  EXPECT_TRUE(gst_analytics_relation_meta_add_od_mtd(gst_buffer_add_analytics_relation_meta(buffer),
                                                     type ? g_quark_from_string(type) : 0, x, y, width,
                                                     height, confidence, &object));
  return object.id;
}

GstVideoRegionOfInterestMeta* region_meta(GstBuffer* buffer, guint number) {
  gpointer state = nullptr;
  GstMeta* meta = nullptr;
  for (guint i = 0; i <= number; ++i) {
    meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
  }
  return reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta);
}

class Analytics : public ResnetClassify {
 protected:
  GstBuffer* classify(GstBuffer* frame) { return gst_harness_push_and_pull(harness_, frame); }
};

TEST_F(Analytics, AFrameHasItsClassesBestFirst) {
  open({{"top-k", "3"}});
  GstBuffer* out = play(0);
  const Classification expected = read_classification_meta(out).value();
  const std::vector<Classes> found = classes_of(out);
  gst_buffer_unref(out);
  ASSERT_EQ(found.size(), 1u);
  ASSERT_EQ(found[0].labels.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found[0].labels[i], expected.scores[i].label);
    EXPECT_NEAR(found[0].confidences[i], expected.scores[i].probability, 1e-6);
  }
}

TEST_F(Analytics, NoneOfTheseHasNoClasses) {
  open({{"threshold", "1"}});
  GstBuffer* out = play(0);
  EXPECT_TRUE(read_classification_meta(out)->scores.empty());
  EXPECT_TRUE(classes_of(out).empty());
  gst_buffer_unref(out);
}

TEST_F(Analytics, AResultThatIsUsedAgainIsOnEachFrame) {
  open({{"inference-interval", "2"}});
  GstBuffer* first = play(0);
  GstBuffer* second = play(1);
  EXPECT_EQ(classes_of(first).size(), 1u);
  EXPECT_EQ(classes_of(first), classes_of(second));
  gst_buffer_unref(first);
  gst_buffer_unref(second);
}

// What a detector has put on a buffer of a pool is gone when it comes back, and so is ours.
TEST_F(Analytics, BuffersOfAPoolDoNotCollectClasses) {
  open();
  GstBufferPool* pool = gst_buffer_pool_new();
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, nullptr, static_cast<guint>(GST_VIDEO_INFO_SIZE(&info_)), 1, 1);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool, config));
  gst_buffer_pool_set_active(pool, TRUE);
  for (int i = 0; i < 5; ++i) {
    GstBuffer* in = nullptr;
    ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool, &in, nullptr), GST_FLOW_OK);
    gst_buffer_memset(in, 0, 90, GST_VIDEO_INFO_SIZE(&info_));
    GST_BUFFER_PTS(in) = static_cast<guint64>(i) * 40 * GST_MSECOND;
    GstBuffer* out = classify(in);
    EXPECT_EQ(classes_of(out).size(), 1u) << i;
    gst_buffer_unref(out);
  }
  gst_buffer_pool_set_active(pool, FALSE);
  gst_object_unref(pool);
}

TEST_F(Analytics, DetectedObjectsAreRegions) {
  open({{"inference-region", "roi-list"},
        {"object-class", "flower"},
        {"min-region-size", "10"},
        {"top-k", "2"}},
       GST_VIDEO_FORMAT_NV12, 96, 80);
  GstBuffer* in = frame(2);
  add_object(in, "face", 0, 0, 20, 20);
  const guint inside = add_object(in, "flower", 10, 12, 41, 33);
  add_object(in, "flower", 5, 5, 9, 50);
  add_object(in, "flower", 200, 0, 50, 50);
  add_object(in, "flower", -50, -60, 55, 65);
  const guint across = add_object(in, "flower", -20, 40, 60, 500);
  add_object(in, nullptr, 10, 12, 41, 33);
  GstBuffer* out = classify(in);
  EXPECT_FALSE(read_classification_meta(out)) << "the frame was not asked for";
  const std::vector<Classes> found = classes_of(out);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].objects, std::vector<guint>{inside});
  EXPECT_EQ(found[1].objects, std::vector<guint>{across});
  EXPECT_EQ(found[0].labels.size(), 2u);
  EXPECT_EQ(stat("inferences"), 2u);
  const std::vector<RegionResult> regions = read_region_results(out);
  ASSERT_EQ(regions.size(), 7u) << "for readers of GstVideoRegionOfInterestMeta";
  EXPECT_EQ(regions[1].type, "flower");
  EXPECT_EQ(regions[1].results.at(0).scores.at(0).label, found[0].labels[0]);
  EXPECT_EQ(regions[5].box, (Rectangle{0, 40, 40, 500})) << "cut off at the frame's left";
  EXPECT_EQ(regions[5].results.at(0).scores.at(0).label, found[1].labels[0]);
  for (const std::size_t i : {0U, 2U, 3U, 4U, 6U}) EXPECT_TRUE(regions[i].results.empty()) << i;
  for (guint i = 0; i < 7; ++i) EXPECT_EQ(region_meta(out, i)->id, static_cast<gint>(i)) << "the object's";
  gst_buffer_unref(out);
}

TEST_F(Analytics, ObjectsAndRegionsOfTheSamePixelsGetTheSameClasses) {
  open({{"inference-region", "roi-list"}});
  GstBuffer* with_object = frame(2);
  add_object(with_object, "flower", 10, 12, 41, 33);
  with_object = classify(with_object);
  GstBuffer* with_region = frame(2);
  gst_buffer_add_video_region_of_interest_meta(with_region, "flower", 10, 12, 41, 33);
  with_region = classify(with_region);
  EXPECT_EQ(read_region_results(with_object).at(0).results.size(), 1u);
  EXPECT_EQ(read_region_results(with_object), read_region_results(with_region));
  EXPECT_TRUE(classes_of(with_region).empty()) << "they would be taken for the frame's";
  gst_buffer_unref(with_object);
  gst_buffer_unref(with_region);
}

// As DL Streamer does it, with the object's id, and without.
TEST_F(Analytics, ARegionThatIsAnObjectIsClassifiedOnce) {
  open({{"inference-region", "roi-list"}});
  GstBuffer* in = frame(2);
  const guint first = add_object(in, "person", 4, 4, 30, 30);
  const guint second = add_object(in, "flower", 4, 4, 30, 30);
  const guint third = add_object(in, "flower", 20, 10, 30, 30);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 4, 4, 30, 30)->id = static_cast<gint>(second);
  gst_buffer_add_video_region_of_interest_meta(in, "flower", 20, 10, 30, 30)->id = 77;
  gst_buffer_add_video_region_of_interest_meta(in, "sky", 0, 0, 64, 20);
  GstBuffer* out = classify(in);
  EXPECT_EQ(stat("inferences"), 4u);
  const std::vector<Classes> found = classes_of(out);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].objects, std::vector<guint>{second});
  EXPECT_EQ(found[1].objects, std::vector<guint>{third});
  EXPECT_EQ(found[2].objects, std::vector<guint>{first});
  EXPECT_EQ(read_region_results(out).size(), 4u) << "only the person had none";
  EXPECT_EQ(region_meta(out, 1)->id, 77) << "another's id is left alone";
  gst_buffer_unref(out);
}

TEST_F(Analytics, ASecondElementAddsItsClassesBehindAndNoRegions) {
  open({{"inference-region", "roi-list"}, {"object-class", "flower"}});
  GstBuffer* in = frame(2);
  add_object(in, "face", 1, 2, 33, 34);
  const guint flower = add_object(in, "flower", 10, 12, 41, 33);
  GstBuffer* once = classify(in);
  const std::vector<Classes> before = classes_of(once);
  ASSERT_EQ(before.size(), 1u);
  g_object_set(element(), "object-class", nullptr, nullptr);
  GstBuffer* twice = classify(once);
  const std::vector<Classes> after = classes_of(twice);
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_EQ(after[2], before[0]);
  EXPECT_EQ(after[1].objects, std::vector<guint>{flower - 1});
  EXPECT_EQ(read_region_results(twice).size(), 2u);
  gst_buffer_unref(twice);
}

TEST_F(Analytics, AnObjectThatATrackerHasNumberedIsClassifiedOnce) {
  open({{"inference-region", "roi-list"}, {"reclassify-interval", "0"}}, GST_VIDEO_FORMAT_RGB, 96, 80);
  for (int i = 0; i < 4; ++i) {
    GstBuffer* in = frame(i);
    const guint object = add_object(in, "flower", 15 * i, 4, 32, 32);
    GstAnalyticsRelationMeta* relations = gst_buffer_get_analytics_relation_meta(in);
    GstAnalyticsMtd tracking{};
    ASSERT_TRUE(gst_analytics_relation_meta_add_tracking_mtd(relations, 7, 0, &tracking));
    gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_RELATE_TO, object,
                                             tracking.id);
    GstBuffer* out = classify(in);
    EXPECT_EQ(read_region_results(out).at(0).results.at(0).age, static_cast<guint64>(i) * 40 * GST_MSECOND);
    EXPECT_EQ(classes_of(out).size(), 1u);
    gst_buffer_unref(out);
  }
  EXPECT_EQ(stat("inferences"), 1u);
}

TEST_F(Analytics, OverlayDrawsTheClassesOfObjects) {
  open({{"inference-region", "roi-list"}, {"overlay", "true"}}, GST_VIDEO_FORMAT_RGB, 320, 240);
  GstBuffer* in = frame(2);
  add_object(in, "flower", 100, 90, 120, 100);
  const std::string plain = bytes_of(in);
  GstBuffer* out = classify(in);
  EXPECT_FALSE(bytes_of(out) == plain);
  EXPECT_TRUE(read_region_results(out).at(0).results.at(0).drawn);
  gst_buffer_unref(out);
}

/// What objectdetectionoverlay makes of a frame; takes it.
std::string shown_by_gstreamer(const std::string& caps, GstBuffer* frame) {
  GstHarness* h = gst_harness_new("objectdetectionoverlay");
  gst_harness_set_src_caps_str(h, caps.c_str());
  gst_harness_set_sink_caps_str(h, caps.c_str());
  GstBuffer* out = gst_harness_push_and_pull(h, frame);
  EXPECT_NE(out, nullptr);
  const std::string bytes = out ? bytes_of(out) : std::string();
  gst_clear_buffer(&out);
  gst_harness_teardown(h);
  return bytes;
}

bool has_element(const char* name) {
  GstElementFactory* factory = gst_element_factory_find(name);
  if (factory == nullptr) return false;
  gst_object_unref(factory);
  return true;
}

TEST_F(Analytics, ObjectdetectionoverlayShowsTheClassInThePlaceOfTheType) {
  if (!has_element("objectdetectionoverlay")) GTEST_SKIP() << "gstreamer1.0-plugins-bad is not installed";
  open({{"inference-region", "roi-list"}}, GST_VIDEO_FORMAT_BGRx, 320, 240);
  const std::string caps = caps_text(GST_VIDEO_FORMAT_BGRx, 320, 240);
  GstBuffer* plain = frame(2);
  add_object(plain, "thing", 60, 90, 200, 100);
  GstBuffer* classified = classify(gst_buffer_copy(plain));
  const Classes classes = classes_of(classified).at(0);
  GstBuffer* expected = frame(2);
  add_object(expected, classes.labels[0].c_str(), 60, 90, 200, 100,
             static_cast<float>(classes.confidences[0]));
  const std::string shown = shown_by_gstreamer(caps, classified);
  EXPECT_TRUE(shown == shown_by_gstreamer(caps, expected));
  EXPECT_FALSE(shown == shown_by_gstreamer(caps, plain));
}

TEST_F(Analytics, ObjectsStayTheirRegionsWhenTheFrameIsScaled) {
  open({{"inference-region", "roi-list"}}, GST_VIDEO_FORMAT_RGB, 131, 97);
  GstHarness* scale = gst_harness_new("videoscale");
  gst_harness_set_src_caps_str(scale, caps_text(GST_VIDEO_FORMAT_RGB, 320, 240).c_str());
  gst_harness_set_sink_caps_str(scale, caps_text(GST_VIDEO_FORMAT_RGB, 131, 97).c_str());
  const GstVideoInfo info = video_info(GST_VIDEO_FORMAT_RGB, 320, 240);
  GstBuffer* in = new_frame(info, 90);
  for (int i = 0; i < 20; ++i) {
    const guint id = add_object(in, "flower", 3 + 11 * i, 2 + 7 * i, 50 + i, 41 + 2 * i);
    gst_buffer_add_video_region_of_interest_meta(in, "flower", static_cast<guint>(3 + 11 * i),
                                                 static_cast<guint>(2 + 7 * i), static_cast<guint>(50 + i),
                                                 static_cast<guint>(41 + 2 * i))
        ->id = static_cast<gint>(id);
  }
  GstBuffer* out = classify(gst_harness_push_and_pull(scale, in));
  EXPECT_EQ(stat("inferences"), 20u) << "not once more as objects";
  EXPECT_EQ(read_region_results(out).size(), 20u);
  gst_buffer_unref(out);
  gst_harness_teardown(scale);
}

/// What comes out of unixfdsrc when the frame's metas go into unixfdsink; takes the frame.
GstBuffer* through_a_socket(const std::string& caps, GstBuffer* frame) {
  const TemporaryFolder folder;
  GstElement* ends[] = {gst_element_factory_make("unixfdsink", nullptr),
                        gst_element_factory_make("unixfdsrc", nullptr)};
  for (GstElement* end : ends) g_object_set(end, "socket-path", (folder / "socket").c_str(), nullptr);
  // Else it drops what comes before the other end.
  g_object_set(ends[0], "wait-for-connection", TRUE, nullptr);
  GstHarness* sender = gst_harness_new_with_element(ends[0], "sink", nullptr);
  gst_harness_set_src_caps_str(sender, caps.c_str());
  GstHarness* receiver = gst_harness_new_with_element(ends[1], nullptr, "src");
  gst_harness_play(receiver);
  // It takes memory of its own kind only, and offers that upstream.
  GstBuffer* shared = gst_harness_create_buffer(sender, gst_buffer_get_size(frame));
  gst_buffer_copy_into(shared, frame, GST_BUFFER_COPY_METADATA, 0, static_cast<gsize>(-1));
  gst_buffer_unref(frame);
  GstBuffer* out = gst_harness_push(sender, shared) == GST_FLOW_OK ? gst_harness_pull(receiver) : nullptr;
  gst_harness_teardown(receiver);
  gst_harness_teardown(sender);
  for (GstElement* end : ends) gst_object_unref(end);
  return out;
}

// What GStreamer 1.26 cannot send is not told here: regions, GstAnalytics, and a result with features.
TEST_F(Analytics, UnixfdsinkSendsTheResultWithTheFrame) {
  GstElement* sink = gst_element_factory_make("unixfdsink", nullptr);
  const bool can_wait = sink && g_object_class_find_property(G_OBJECT_GET_CLASS(sink), "wait-for-connection");
  gst_clear_object(&sink);
  if (!can_wait) GTEST_SKIP() << "no unixfdsink of GStreamer 1.26 (gstreamer1.0-plugins-bad) is installed";
  open({{"top-k", "5"}});
  GstBuffer* in = play(0);
  const Classification sent = read_classification_meta(in).value();
  EXPECT_EQ(sent.scores.size(), 5u);
  GstBuffer* out = through_a_socket(caps_text(GST_VIDEO_FORMAT_RGB, 64, 48), in);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(read_classification_meta(out), sent);
  gst_buffer_unref(out);
}

}  // namespace
}  // namespace resnet
