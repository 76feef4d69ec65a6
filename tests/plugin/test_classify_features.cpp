// Which frames resnetclassify classifies, what it says about the others, and what it tells the application.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "model/model_file.h"
#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

class ClassifyFeatures : public ResnetClassify {
 protected:
  void TearDown() override {
    ResnetClassify::TearDown();
    if (bus_ != nullptr) gst_object_unref(bus_);
    bus_ = nullptr;
  }
  /// The element's messages, from now on.
  GstBus* bus() {
    if (bus_ == nullptr) {
      bus_ = gst_bus_new();
      gst_element_set_bus(element(), bus_);
    }
    return bus_;
  }
  /// The next message of the type within ten seconds, to be freed by the caller.
  GstMessage* next_message(GstMessageType type) {
    return gst_bus_timed_pop_filtered(bus(), 10 * GST_SECOND, type);
  }
  std::optional<Classification> classify(int number) {
    GstBuffer* out = play(number);
    if (out == nullptr) return std::nullopt;
    std::optional<Classification> result = read_classification_meta(out);
    gst_buffer_unref(out);
    return result;
  }
  /// Another network with other class names.
  std::string other_model() {
    const std::filesystem::path path = folder_ / "other.safetensors";
    ModelInfo info;
    info.classes = {"cat", "dog", "fox"};
    info.preprocessing = Preprocessing::for_image_size(32);
    save_model(path, make_resnet(test_architecture, 3), info);
    return path.string();
  }

  TemporaryFolder folder_;

 private:
  GstBus* bus_ = nullptr;
};

TEST_F(ClassifyFeatures, TheIntervalReusesResultsAndSaysTheirAge) {
  open({{"inference-interval", "3"}});
  std::vector<std::optional<Classification>> results;
  for (int i = 0; i < 7; ++i) results.push_back(classify(i));
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(results[static_cast<std::size_t>(i)]) << i;
    EXPECT_EQ(results[static_cast<std::size_t>(i)]->age, static_cast<guint64>(i % 3) * 40 * GST_MSECOND);
    EXPECT_EQ(results[static_cast<std::size_t>(i)]->scores,
              results[static_cast<std::size_t>(i - i % 3)]->scores);
  }
  EXPECT_NE(results[0]->scores, results[3]->scores);
  EXPECT_EQ(stat("inferences"), 3u);
  EXPECT_EQ(stat("reused"), 4u);
  EXPECT_EQ(stat("frames"), 7u);
}

TEST_F(ClassifyFeatures, SwitchedOffFramesPassUntouched) {
  open({{"enabled", "false"}, {"overlay", "true"}});
  GstBuffer* in = frame(0);
  GstBuffer* out = gst_harness_push_and_pull(harness_, gst_buffer_ref(in));
  EXPECT_EQ(out, in);
  EXPECT_FALSE(read_classification_meta(out));
  gst_buffer_unref(in);
  gst_buffer_unref(out);
  g_object_set(element(), "enabled", TRUE, nullptr);
  EXPECT_TRUE(classify(1));
  EXPECT_EQ(stat("untouched"), 1u);
}

TEST_F(ClassifyFeatures, GapFramesCarryTheLastResult) {
  open();
  const auto first = classify(0);
  GstBuffer* in = frame(1);
  GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_GAP);
  GstBuffer* out = gst_harness_push_and_pull(harness_, in);
  const auto second = read_classification_meta(out);
  gst_buffer_unref(out);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->scores, first->scores);
  EXPECT_EQ(second->age, 40 * GST_MSECOND);
}

TEST_F(ClassifyFeatures, LateFramesAreNotClassifiedAndNotDropped) {
  open();
  const auto first = classify(0);
  // Downstream says that the frame at 0 ms was 100 ms late: what comes before 240 ms will be late too.
  gst_harness_push_upstream_event(harness_,
                                  gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2, 100 * GST_MSECOND, 0));
  const auto late = classify(2), in_time = classify(7);
  ASSERT_TRUE(first && late && in_time);
  EXPECT_EQ(late->age, 80 * GST_MSECOND);
  EXPECT_EQ(late->scores, first->scores);
  EXPECT_EQ(in_time->age, 0u);
  g_object_set(element(), "qos", FALSE, nullptr);
  EXPECT_EQ(classify(2)->age, 0u);
}

TEST_F(ClassifyFeatures, UnchangedPicturesAreNotClassifiedAgain) {
  open({{"change-threshold", "0"}});
  const auto first = classify(4);
  GstBuffer* same = frame(4);
  GST_BUFFER_PTS(same) += 40 * GST_MSECOND;
  GstBuffer* out = gst_harness_push_and_pull(harness_, same);
  EXPECT_EQ(read_classification_meta(out)->age, 40 * GST_MSECOND);
  EXPECT_EQ(read_classification_meta(out)->scores, first->scores);
  gst_buffer_unref(out);
  EXPECT_EQ(classify(6)->age, 0u);
  EXPECT_EQ(stat("inferences"), 2u);
  EXPECT_EQ(stat("reused"), 1u);
}

TEST_F(ClassifyFeatures, AfterASegmentNoFrameIsLikeTheLast) {
  open({{"change-threshold", "0"}});
  classify(4);
  start_segment();
  EXPECT_EQ(classify(4)->age, 0u);
  restart();
  EXPECT_EQ(classify(4)->age, 0u);
}

/// A frame of the rectangle's pixels alone is what a region or a crop of it must be taken for.
GstBuffer* cut(const GstVideoInfo& info, GstBuffer* whole, GstVideoInfo& part_info, int x, int y) {
  GstVideoInfo copy = info;
  GstVideoFrame from, to;
  GstBuffer* part = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&part_info), nullptr);
  EXPECT_TRUE(gst_video_frame_map(&from, &copy, whole, GST_MAP_READ));
  EXPECT_TRUE(gst_video_frame_map(&to, &part_info, part, GST_MAP_WRITE));
  for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&to); ++plane) {
    const int rows = GST_VIDEO_FRAME_COMP_HEIGHT(&to, static_cast<int>(plane));
    const int bytes = GST_VIDEO_FRAME_COMP_WIDTH(&to, static_cast<int>(plane)) *
                      GST_VIDEO_FRAME_COMP_PSTRIDE(&to, static_cast<int>(plane));
    const int left = x * bytes / GST_VIDEO_FRAME_WIDTH(&to);
    const int top = y * rows / GST_VIDEO_FRAME_HEIGHT(&to);
    for (int row = 0; row < rows; ++row) {
      std::copy_n(static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&from, plane)) +
                      (top + row) * GST_VIDEO_FRAME_PLANE_STRIDE(&from, plane) + left,
                  bytes,
                  static_cast<guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&to, plane)) +
                      row * GST_VIDEO_FRAME_PLANE_STRIDE(&to, plane));
    }
  }
  gst_video_frame_unmap(&from);
  gst_video_frame_unmap(&to);
  return part;
}

TEST_F(ClassifyFeatures, TheCropMetaIsHonouredInEveryFormat) {
  for (const GstVideoFormat format : every_format()) {
    SCOPED_TRACE(gst_video_format_to_string(format));
    open({{"top-k", "5"}}, format, 96, 80);
    GstBuffer* in = frame(3);
    GstVideoInfo part_info = video_info(format, 40, 32);
    GstBuffer* part = cut(info_, in, part_info, 20, 16);
    const std::vector<double> expected = expected_probabilities(part_info, part);
    gst_buffer_unref(part);
    GstVideoCropMeta* crop = gst_buffer_add_video_crop_meta(in);
    crop->x = 20;
    crop->y = 16;
    crop->width = 40;
    crop->height = 32;
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    const Classification result = read_classification_meta(out).value();
    for (const ClassScore& score : result.scores) {
      EXPECT_NEAR(score.probability, expected.at(static_cast<std::size_t>(score.id)), 2e-3);
    }
    gst_buffer_unref(out);
    TearDown();
  }
}

TEST_F(ClassifyFeatures, TheOrientationTagAndThePixelAspectRatioAreHonoured) {
  open({{"top-k", "5"}});
  const auto expect = [&](int number, Orientation orientation) {
    GstBuffer* in = frame(number);
    const std::vector<double> expected = expected_probabilities(info_, in, orientation);
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    const Classification result = read_classification_meta(out).value();
    gst_buffer_unref(out);
    for (const ClassScore& score : result.scores) {
      EXPECT_NEAR(score.probability, expected.at(static_cast<std::size_t>(score.id)), 1e-4);
    }
    return expected;
  };
  const std::vector<double> plain = expect(5, Orientation::identity);
  gst_harness_push_event(
      harness_, gst_event_new_tag(gst_tag_list_new(GST_TAG_IMAGE_ORIENTATION, "rotate-90", nullptr)));
  EXPECT_NE(expect(5, Orientation::right_90), plain);
  gst_harness_push_event(harness_, gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "other tags", nullptr)));
  expect(5, Orientation::right_90);
  gst_harness_push_event(harness_,
                         gst_event_new_tag(gst_tag_list_new(GST_TAG_IMAGE_ORIENTATION, "rotate-0", nullptr)));
  GST_VIDEO_INFO_PAR_N(&info_) = 2;
  gst_harness_set_src_caps(harness_, gst_video_info_to_caps(&info_));
  EXPECT_NE(expect(5, Orientation::identity), plain);
}

TEST_F(ClassifyFeatures, AModelSetWhilePlayingTakesOverBetweenFrames) {
  open();
  bus();
  EXPECT_EQ(classify(0)->model, "flowers.pth");
  g_object_set(element(), "model", other_model().c_str(), nullptr);
  std::string model;
  int number = 1;
  for (; number < 2000 && model != "other.safetensors"; ++number) {
    const auto result = classify(number);
    ASSERT_TRUE(result) << "every frame is classified meanwhile";
    model = result->model;
    const std::string& label = result->scores.at(0).label;
    const bool is_animal = label == "cat" || label == "dog" || label == "fox";
    EXPECT_EQ(is_animal, model == "other.safetensors");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(model, "other.safetensors");
  GstMessage* message = next_message(GST_MESSAGE_ELEMENT);
  ASSERT_NE(message, nullptr);
  const GstStructure* told = gst_message_get_structure(message);
  EXPECT_TRUE(gst_structure_has_name(told, "resnetclassify-model"));
  EXPECT_STREQ(gst_structure_get_string(told, "model"), "other.safetensors");
  guint64 pts = 0;
  EXPECT_TRUE(gst_structure_get_uint64(told, "pts", &pts));
  EXPECT_EQ(pts, static_cast<guint64>(number - 1) * 40 * GST_MSECOND) << "of its first frame";
  gst_message_unref(message);
}

TEST_F(ClassifyFeatures, AModelThatCannotBeUsedLeavesTheOldOneServing) {
  open();
  bus();
  // What the property was when it was last told of.
  std::atomic<bool> told_back{false};
  g_signal_connect(element(), "notify::model",
                   G_CALLBACK(+[](GObject* object, GParamSpec*, std::atomic<bool>* told) {
                     gchar* path = nullptr;
                     g_object_get(object, "model", &path, nullptr);
                     *told = test_model() == path;
                     g_free(path);
                   }),
                   &told_back);
  g_object_set(element(), "model", "/nonexistent/new.pth", nullptr);
  const Message warning = read_message(next_message(GST_MESSAGE_WARNING));
  EXPECT_EQ(warning.domain, GST_RESOURCE_ERROR) << warning.text;
  EXPECT_EQ(warning.code, GST_RESOURCE_ERROR_NOT_FOUND) << warning.text;
  EXPECT_EQ(classify(0)->model, "flowers.pth");
  gchar* path = nullptr;
  for (int i = 0; i < 1000 && (path == nullptr || test_model() != path); ++i) {
    g_free(path);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    g_object_get(element(), "model", &path, nullptr);
  }
  EXPECT_EQ(test_model(), path) << "the property says what serves";
  g_free(path);
  for (int i = 0; i < 1000 && !told_back; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(told_back);
}

TEST_F(ClassifyFeatures, ReloadsAndStateChangesAtOnceDoNoHarm) {
  const std::string other = other_model();
  for (int round = 0; round < 10; ++round) {
    open();
    for (int i = 0; i < 4; ++i) {
      g_object_set(element(), "model", i % 2 == 0 ? other.c_str() : test_model().c_str(), nullptr);
      gst_harness_push(harness_, frame(i));
    }
    TearDown();
  }
}

TEST_F(ClassifyFeatures, ChangesOfTheClassAreTold) {
  open({{"on-change", "true"}});
  bus();
  std::vector<std::string> labels;
  std::vector<GstClockTime> times;
  for (int i = 0; i < 12; ++i) {
    const std::string label = classify(i)->scores.at(0).label;
    if (labels.empty() || labels.back() != label) {
      labels.push_back(label);
      times.push_back(static_cast<GstClockTime>(i) * 40 * GST_MSECOND);
    }
  }
  ASSERT_GT(labels.size(), 1u) << "the frames must differ";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    GstMessage* message = next_message(GST_MESSAGE_ELEMENT);
    ASSERT_NE(message, nullptr);
    const GstStructure* s = gst_message_get_structure(message);
    EXPECT_TRUE(gst_structure_has_name(s, "resnetclassify-change"));
    EXPECT_STREQ(gst_structure_get_string(s, "label"), labels[i].c_str());
    guint64 pts = 0, running_time = 0;
    EXPECT_TRUE(gst_structure_get_uint64(s, "pts", &pts));
    EXPECT_TRUE(gst_structure_get_uint64(s, "running-time", &running_time));
    EXPECT_EQ(pts, times[i]);
    EXPECT_EQ(running_time, times[i]);
    const gchar* previous = gst_structure_get_string(s, "previous-label");
    EXPECT_EQ(previous ? previous : std::string(), i > 0 ? labels[i - 1] : std::string());
    gst_message_unref(message);
  }
  EXPECT_EQ(gst_bus_pop_filtered(bus(), GST_MESSAGE_ELEMENT), nullptr);
}

TEST_F(ClassifyFeatures, StatisticsAddUpAndArePosted) {
  open({{"stats-interval", "1"}});
  bus();
  for (int i = 0; i < 5; ++i) classify(i);
  GstMessage* message = next_message(GST_MESSAGE_ELEMENT);
  ASSERT_NE(message, nullptr);
  EXPECT_TRUE(gst_structure_has_name(gst_message_get_structure(message), "resnetclassify-stats"));
  gst_message_unref(message);
  EXPECT_EQ(stat("frames"), 5u);
  EXPECT_EQ(stat("inferences"), 5u);
  EXPECT_GT(stat("network-time"), 0u);
  EXPECT_GE(stat("latency-p99"), stat("latency-median"));
  EXPECT_GE(stat("latency-median"), stat("network-time") / 8);
}

TEST_F(ClassifyFeatures, ALiveSourceThatIsTooFastLosesNoFrame) {
  // The queue is as small as a batch, and downstream is what holds nothing up.
  open_live({{"batch-size", "2"}, {"max-in-flight", "2"}, {"threads", "1"}});
  std::vector<std::string> expected{"caps"};
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(gst_harness_push(harness_, frame(i)), GST_FLOW_OK);
    expected.push_back("frame " + std::to_string(i));
  }
  EXPECT_EQ(wait_until_passed(301), expected);
  EXPECT_EQ(stat("frames"), 300u);
  EXPECT_LT(stat("inferences"), 300u) << "frames came faster than the network takes them";
  EXPECT_EQ(stat("inferences") + stat("reused") + stat("released"), 300u);
  GstBuffer* out = nullptr;
  bool has_result = false;
  while ((out = gst_harness_try_pull(harness_)) != nullptr) {
    const auto result = read_classification_meta(out);
    EXPECT_TRUE(result || !has_result) << "once there is a result, every frame carries one";
    has_result = has_result || result.has_value();
    gst_buffer_unref(out);
  }
  EXPECT_TRUE(has_result);
}

TEST_F(ClassifyFeatures, ElementsShareOneNetworkUnlessToldNotTo) {
  open();
  GstElement* same = gst_element_factory_make("resnetclassify", nullptr);
  GstElement* separate = gst_element_factory_make("resnetclassify", nullptr);
  for (GstElement* other : {same, separate}) {
    gst_object_ref_sink(other);
    g_object_set(other, "model", test_model().c_str(), nullptr);
    gst_util_set_object_arg(G_OBJECT(other), "precision", "fp32");
  }
  g_object_set(separate, "model-instance-id", "mine", nullptr);
  gst_element_set_state(same, GST_STATE_READY);
  EXPECT_EQ(stat("streams"), 2u);
  gst_element_set_state(separate, GST_STATE_READY);
  EXPECT_EQ(stat("streams"), 2u);
  gst_element_set_state(same, GST_STATE_NULL);
  EXPECT_EQ(stat("streams"), 1u);
  gst_element_set_state(separate, GST_STATE_NULL);
  gst_object_unref(same);
  gst_object_unref(separate);
  EXPECT_TRUE(classify(0));
}

}  // namespace
}  // namespace resnet
