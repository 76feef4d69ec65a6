#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "plugin/result_json.h"
#include "tests/plugin/fixture.h"

namespace resnet {
namespace {

using Json = nlohmann::json;

TEST(ResultJson, HasTheDocumentedFields) {
  const Json line = Json::parse(result_json(flowers(), {}, "other", 7, 1'040'000'000, 40'000'000));
  EXPECT_EQ(line, Json::parse(R"({"version":1,"stream":"camera 1","frame":7,"pts":1040000000,
    "time":"0:00:01.040000000","duration":40000000,"age":40000000,"model":"flowers.pth","digest":"sha256:00ff",
    "classes":[{"id":4,"label":"tulips","probability":0.75},{"id":1,"label":"蒲公英","probability":0.25}]})"));
}

TEST(ResultJson, UnknownTimesAreNullAndNotClassifiedIsNotNoneOfThese) {
  const Json line =
      Json::parse(result_json(std::nullopt, {}, "s", 0, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE));
  for (const char* field : {"pts", "time", "duration", "classes", "age", "model", "digest"}) {
    EXPECT_TRUE(line.at(field).is_null()) << field;
  }
  EXPECT_EQ(line["stream"], "s");
  EXPECT_EQ(Json::parse(result_json(Classification{}, {}, "s", 0, 0, 0))["classes"], Json::array());
}

TEST(ResultJson, RegionsComeWithTheirClasses) {
  GstBuffer* buffer = gst_buffer_new();
  gst_buffer_add_video_region_of_interest_meta(buffer, "face", 1, 2, 3, 4);
  gst_buffer_add_video_region_of_interest_meta(buffer, "flower", 5, 6, 7, 8);
  add_region_result(buffer, 1, {2, "roses", 0.25}, "old.pth");
  add_region_result(buffer, 1, {4, "tulips", 0.75}, "flowers.pth");
  const Json line = Json::parse(result_json(std::nullopt, read_region_results(buffer), "s", 0, 0, 0));
  EXPECT_EQ(line["regions"], Json::parse(R"([{"type":"face","x":1,"y":2,"width":3,"height":4,"class":null},
                            {"type":"flower","x":5,"y":6,"width":7,"height":8,
                             "class":{"id":4,"label":"tulips","probability":0.75}}])"));
  EXPECT_FALSE(Json::parse(result_json(flowers(), {}, "s", 0, 0, 0)).contains("regions"));
  gst_buffer_unref(buffer);
}

TEST(ResultJson, AnyTextAndNumberMakeOneValidLine) {
  Classification result = flowers();
  result.scores = {{0, "line\nbreak \"quoted\" \xff\xfe", std::numeric_limits<double>::quiet_NaN()}};
  const std::string line = result_json(result, {}, "", 0, 0, 0);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(Json::parse(line)["classes"][0]["probability"].is_null());
}

class ResnetJson : public testing::Test {
 protected:
  void SetUp() override {
    harness_ = gst_harness_new("resnetjson");
    gst_harness_set_src_caps_str(harness_, caps_text(GST_VIDEO_FORMAT_RGB, 16, 16).c_str());
    bus_ = gst_bus_new();
    gst_element_set_bus(harness_->element, bus_);
    file_ = std::filesystem::path(testing::TempDir()) / ("resnetjson-" + std::to_string(getpid()) + ".jsonl");
  }
  void TearDown() override {
    gst_element_set_bus(harness_->element, nullptr);
    gst_object_unref(bus_);
    gst_harness_teardown(harness_);
    std::filesystem::remove(file_);
  }
  /// Restarts the element, so that properties set meanwhile take effect.
  bool restart() {
    gst_element_set_state(harness_->element, GST_STATE_NULL);
    return gst_element_set_state(harness_->element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  }
  void restart_with(const char* property, const char* value) {
    gst_element_set_state(harness_->element, GST_STATE_NULL);
    gst_util_set_object_arg(G_OBJECT(harness_->element), property, value);
    gst_harness_play(harness_);
    gst_harness_push_event(harness_, gst_event_new_stream_start("pad's stream"));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(harness_, gst_event_new_segment(&segment));
  }
  GstFlowReturn push(int number, bool classified = true) {
    GstBuffer* frame = new_frame(video_info(GST_VIDEO_FORMAT_RGB, 16, 16), 0, number);
    if (classified) add_classification_meta(frame, flowers());
    return gst_harness_push(harness_, frame);
  }
  std::vector<Json> lines() const {
    std::vector<Json> result;
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line);) result.push_back(Json::parse(line));
    return result;
  }
  void expect_error(int code, const std::string& text) {
    GstMessage* message = gst_bus_timed_pop_filtered(bus_, GST_SECOND, GST_MESSAGE_ERROR);
    ASSERT_NE(message, nullptr);
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    EXPECT_TRUE(g_error_matches(error, GST_RESOURCE_ERROR, code)) << error->message;
    EXPECT_NE(std::string(error->message).find(text), std::string::npos) << error->message;
    g_error_free(error);
    gst_message_unref(message);
  }

  GstHarness* harness_ = nullptr;
  GstBus* bus_ = nullptr;
  std::filesystem::path file_;
};

TEST_F(ResnetJson, WritesALinePerFrameAndFlushesEach) {
  restart_with("location", file_.c_str());
  EXPECT_EQ(push(0), GST_FLOW_OK);
  ASSERT_EQ(lines().size(), 1u) << "a line must be in the file before the next frame";
  EXPECT_EQ(push(1, false), GST_FLOW_OK);
  EXPECT_EQ(push(2), GST_FLOW_OK);
  const std::vector<Json> all = lines();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0]["stream"], "camera 1");
  EXPECT_EQ(all[1]["stream"], "pad's stream");
  EXPECT_TRUE(all[1]["classes"].is_null());
  EXPECT_EQ(all[2]["frame"], 2);
  EXPECT_EQ(all[2]["time"], "0:00:00.080000000");
  EXPECT_EQ(all[2]["classes"][1]["label"], "蒲公英");
}

TEST_F(ResnetJson, PassesTheVeryBufferThrough) {
  restart_with("location", file_.c_str());
  GstBuffer* frame = new_frame(video_info(GST_VIDEO_FORMAT_RGB, 16, 16), 9);
  GstBuffer* out = gst_harness_push_and_pull(harness_, gst_buffer_ref(frame));
  EXPECT_EQ(out, frame);
  gst_buffer_unref(out);
  gst_buffer_unref(frame);
}

TEST_F(ResnetJson, StartsTheFileAndTheCountAnew) {
  restart_with("location", file_.c_str());
  push(0);
  push(1);
  restart_with("location", file_.c_str());
  push(0);
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0]["frame"], 0);
}

TEST_F(ResnetJson, WritesToADescriptorThatStaysOpen) {
  const int fd = open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  restart_with("fd", std::to_string(fd).c_str());
  push(0);
  gst_element_set_state(harness_->element, GST_STATE_NULL);
  EXPECT_EQ(lines().size(), 1u);
  EXPECT_EQ(close(fd), 0);
}

TEST_F(ResnetJson, PostsMessages) {
  restart_with("post-messages", "true");
  push(3);
  GstMessage* message = gst_bus_timed_pop_filtered(bus_, GST_SECOND, GST_MESSAGE_ELEMENT);
  ASSERT_NE(message, nullptr);
  const GstStructure* s = gst_message_get_structure(message);
  EXPECT_STREQ(gst_structure_get_name(s), "resnetjson");
  EXPECT_EQ(Json::parse(gst_structure_get_string(s, "line"))["pts"], 120'000'000);
  gst_message_unref(message);
}

TEST_F(ResnetJson, WarnsWhenItHasNowhereToWrite) {
  restart();
  GstMessage* message = gst_bus_timed_pop_filtered(bus_, GST_SECOND, GST_MESSAGE_WARNING);
  ASSERT_NE(message, nullptr);
  gst_message_unref(message);
}

TEST_F(ResnetJson, AFullDiskIsAnError) {
  restart_with("location", "/dev/full");
  EXPECT_EQ(push(0), GST_FLOW_ERROR);
  expect_error(GST_RESOURCE_ERROR_WRITE, "/dev/full");
}

TEST_F(ResnetJson, AFileThatCannotBeMadeFailsTheStart) {
  gst_element_set_state(harness_->element, GST_STATE_NULL);
  g_object_set(harness_->element, "location", "/no/such/folder/x.jsonl", nullptr);
  EXPECT_EQ(gst_element_set_state(harness_->element, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_error(GST_RESOURCE_ERROR_OPEN_WRITE, "/no/such/folder/x.jsonl");
}

TEST_F(ResnetJson, AReaderThatLeftIsAnErrorAndNotTheEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  restart_with("fd", std::to_string(ends[1]).c_str());
  EXPECT_EQ(push(0), GST_FLOW_ERROR);
  expect_error(GST_RESOURCE_ERROR_WRITE, "descriptor");
  close(ends[1]);
}

TEST_F(ResnetJson, AReaderThatSleepsDoesNotBlockAFlush) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  restart_with("fd", std::to_string(ends[1]).c_str());
  GstFlowReturn flow = GST_FLOW_OK;
  std::thread streaming([&] {
    for (int i = 0; i < 10000 && flow == GST_FLOW_OK; ++i) flow = push(i);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  gst_harness_push_event(harness_, gst_event_new_flush_start());
  streaming.join();
  EXPECT_EQ(flow, GST_FLOW_FLUSHING);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace resnet
