#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <thread>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin/result_json.h"
#include "plugin/wall_clock.h"
#include "tests/plugin/fixture.h"
#include "tests/plugin/json_schema.h"
#include "tests/temporary_folder.h"

namespace resnet {
namespace {

using Json = nlohmann::json;

const JsonSchema& schema() {
  static const JsonSchema schema(Json::parse(
      read_text(std::filesystem::path(std::getenv("RESNET_SOURCE_ROOT")) / "plugin/resnetjson.schema.json")));
  return schema;
}

/// The line, which must fit the schema.
Json parsed(const std::string& text) {
  Json line = Json::parse(text);
  EXPECT_EQ(schema().check(line), "");
  return line;
}

constexpr GstClockTime wall_clock = GST_SECOND * 1'764'028'273 + 123'456'789;

TEST(ResultJson, HasTheDocumentedFields) {
  const Json line = parsed(result_json({flowers()}, {},
                                       {.stream = "other",
                                        .number = 7,
                                        .pts = 1'040'000'000,
                                        .duration = 40'000'000,
                                        .wall_clock = wall_clock,
                                        .captured = wall_clock - GST_SECOND}));
  EXPECT_EQ(line, Json::parse(R"({"version":1,"stream":"camera 1","frame":7,"pts":1040000000,
    "time":"0:00:01.040000000","duration":40000000,"age":40000000,"model":"flowers.pth","digest":"sha256:00ff",
    "wall-clock":"2025-11-24T23:51:13.123456Z","captured":"2025-11-24T23:51:12.123456Z",
    "classes":[{"id":4,"label":"tulips","probability":0.75},{"id":1,"label":"蒲公英","probability":0.25}]})"));
}

TEST(ResultJson, UnknownTimesAreNullAndNotClassifiedIsNotNoneOfThese) {
  const Json line = parsed(result_json({}, {}, {.stream = "s"}));
  for (const char* field : {"pts", "time", "duration", "captured", "classes", "age", "model", "digest"}) {
    EXPECT_TRUE(line.at(field).is_null()) << field;
  }
  EXPECT_EQ(line["stream"], "s");
  EXPECT_EQ(parsed(result_json({Classification{}}, {}, {}))["classes"], Json::array());
}

TEST(ResultJson, RegionsComeWithTheirClasses) {
  GstBuffer* buffer = gst_buffer_new();
  gst_buffer_add_video_region_of_interest_meta(buffer, "face", 1, 2, 3, 4);
  gst_buffer_add_video_region_of_interest_meta(buffer, "flower", 5, 6, 7, 8);
  add_region_result(buffer, 1, {"a", "old.pth", 0, {{2, "roses", 0.25}}});
  add_region_result(buffer, 1, {"a", "flowers.pth", 40, {{4, "tulips", 0.75}, {2, "roses", 0.25}}});
  add_region_result(buffer, 1, {"b", "animals.pth", 0, {{0, "cat", 0.5}}});
  const Json line = parsed(result_json({}, read_region_results(buffer), {}));
  EXPECT_EQ(line["regions"], Json::parse(R"([{"type":"face","x":1,"y":2,"width":3,"height":4,"class":null},
    {"type":"flower","x":5,"y":6,"width":7,"height":8,"class":{"id":4,"label":"tulips","probability":0.75},
     "results":[{"stream":"a","model":"flowers.pth","age":40,"classes":[{"id":4,"label":"tulips","probability":0.75},
                                                                        {"id":2,"label":"roses","probability":0.25}]},
                {"stream":"b","model":"animals.pth","age":0,"classes":[{"id":0,"label":"cat","probability":0.5}]}]}])"));
  add_region_result(buffer, 1, {"a", "flowers.pth", 0, {}});
  add_region_result(buffer, 1, {"b", "flowers.pth", 0, {}});
  EXPECT_FALSE(parsed(result_json({}, read_region_results(buffer), {}))["regions"][1].contains("results"))
      << "none of these";
  EXPECT_FALSE(parsed(result_json({flowers()}, {}, {})).contains("regions"));
  gst_buffer_unref(buffer);
}

TEST(ResultJson, SeveralElementsAndFeaturesHaveTheirPlace) {
  Classification embedding{.model = "m.pth", .digest = "sha256:00", .stream = "b"};
  const float values[] = {0.1F, 0, -2.5F};
  embedding.has_classes = false;
  embedding.features = {gst_buffer_new_memdup(values, sizeof values), gst_buffer_unref};
  const Json line = parsed(result_json({flowers(), embedding}, {}, {}));
  EXPECT_EQ(line["stream"], "camera 1");
  EXPECT_FALSE(line.contains("features"));
  EXPECT_EQ(line["others"], Json::parse(R"([{"stream":"b","classes":null,"age":0,"model":"m.pth",
    "digest":"sha256:00","features":[0.1,0,-2.5]}])"));
  EXPECT_FALSE(parsed(result_json({embedding}, {}, {})).contains("others"));
}

TEST(ResultJson, AnyTextAndNumberMakeOneValidLine) {
  Classification result = flowers();
  result.scores = {{0, "line\nbreak \"quoted\" \xff\xfe", std::numeric_limits<double>::quiet_NaN()}};
  const std::string line = result_json({result}, {}, {});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(parsed(line)["classes"][0]["probability"].is_null());
}

TEST(ResultJson, WhatTheSchemaDoesNotDescribeIsFound) {
  const Json line = parsed(result_json({flowers()}, {}, {}));
  const auto changed = [&line](const char* pointer, const Json& value) {
    Json copy = line;
    copy[Json::json_pointer(pointer)] = value;
    return schema().check(copy);
  };
  EXPECT_EQ(changed("/colour", "red"), "line has colour, which is not in the schema");
  EXPECT_EQ(changed("/classes/0/colour", "red"), "line.classes[0] has colour, which is not in the schema");
  for (const auto& [pointer, value] : {std::pair<const char*, Json>{"/version", 2},
                                       {"/frame", -1},
                                       {"/pts", "0"},
                                       {"/wall-clock", "today"},
                                       {"/classes/1/probability", 1.5},
                                       {"/regions", Json::array()},
                                       {"/regions", Json::array({{{"type", "face"}}})}}) {
    EXPECT_NE(changed(pointer, value), "") << pointer;
  }
  Json copy = line;
  copy.erase("digest");
  EXPECT_EQ(schema().check(copy), "line has no digest");
}

class ResnetJson : public testing::Test {
 protected:
  void SetUp() override {
    harness_ = gst_harness_new("resnetjson");
    gst_harness_set_src_caps_str(harness_, caps_text(GST_VIDEO_FORMAT_RGB, 16, 16).c_str());
    bus_ = gst_bus_new();
    gst_element_set_bus(harness_->element, bus_);
  }
  void TearDown() override {
    gst_element_set_bus(harness_->element, nullptr);
    gst_object_unref(bus_);
    gst_harness_teardown(harness_);
  }
  /// Restarts the element, so that properties set meanwhile take effect.
  bool restart() {
    gst_element_set_state(harness_->element, GST_STATE_NULL);
    return gst_element_set_state(harness_->element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  }
  void restart_with(const char* property, const char* value) { restart_with({{property, value}}); }
  void restart_with(const std::vector<std::pair<const char*, std::string>>& properties) {
    gst_element_set_state(harness_->element, GST_STATE_NULL);
    for (const auto& [property, value] : properties) {
      gst_util_set_object_arg(G_OBJECT(harness_->element), property, value.c_str());
    }
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
  std::vector<Json> lines() const { return lines_of(file_); }
  static std::vector<Json> lines_of(const std::filesystem::path& path) {
    std::vector<Json> result;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) result.push_back(parsed(line));
    return result;
  }
  /// The file that was rotated away so many times.
  std::filesystem::path old(int number) const { return file_.string() + "." + std::to_string(number); }
  /// The numbers of the frames in a file.
  static std::vector<int> frames_of(const std::filesystem::path& path) {
    std::vector<int> frames;
    for (const Json& line : lines_of(path)) frames.push_back(line["frame"]);
    return frames;
  }
  void expect_error(int code, const std::string& text) { expect_message(GST_MESSAGE_ERROR, code, text); }
  void expect_message(GstMessageType type, int code, const std::string& text) {
    const Message message = pop_message(bus_, type, GST_SECOND);
    EXPECT_EQ(message.domain, GST_RESOURCE_ERROR) << message.text;
    EXPECT_EQ(message.code, code) << message.text;
    EXPECT_NE(message.text.find(text), std::string::npos) << message.text;
  }

  GstHarness* harness_ = nullptr;
  GstBus* bus_ = nullptr;
  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_ / "results.jsonl";
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

TEST_F(ResnetJson, SaysWhenTheLineWasWrittenAndWhenTheFrameWasCaptured) {
  restart_with("location", file_.c_str());
  const GstClockTime ntp_1970 = G_GUINT64_CONSTANT(2208988800) * GST_SECOND;
  for (const auto& [reference, time] : {std::pair{"timestamp/x-unix", wall_clock},
                                        {"timestamp/x-ntp", ntp_1970 + wall_clock},
                                        {"timestamp/x-ntp", ntp_1970 - 1},
                                        {"timestamp/x-other", wall_clock}}) {
    GstBuffer* frame = new_frame(video_info(GST_VIDEO_FORMAT_RGB, 16, 16), 0);
    GstCaps* caps = gst_caps_new_empty_simple(reference);
    gst_buffer_add_reference_timestamp_meta(frame, caps, time, GST_CLOCK_TIME_NONE);
    gst_caps_unref(caps);
    gst_harness_push(harness_, frame);
  }
  const auto now = [] { return utc_text(static_cast<GstClockTime>(g_get_real_time()) * GST_USECOND); };
  const std::string before = now();
  push(4);
  const std::string after = now();
  const std::vector<Json> all = lines();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0]["captured"], "2025-11-24T23:51:13.123456Z");
  EXPECT_EQ(all[1]["captured"], "2025-11-24T23:51:13.123456Z");
  for (const std::size_t i : {2u, 3u, 4u}) EXPECT_TRUE(all[i]["captured"].is_null()) << i;
  EXPECT_GE(all[4]["wall-clock"], before);
  EXPECT_LE(all[4]["wall-clock"], after);
}

TEST_F(ResnetJson, AFullFileIsRotatedAndNoLineIsSplit) {
  restart_with("location", file_.c_str());
  push(0);
  const auto line = std::filesystem::file_size(file_);
  // Two lines in each; four files are kept.
  restart_with({{"max-size-bytes", std::to_string(2 * line + line / 2)}, {"max-files", "4"}});
  EXPECT_EQ(frames_of(old(1)), std::vector{0}) << "the lines of the run before are kept";
  for (int i = 0; i < 9; ++i) ASSERT_EQ(push(i), GST_FLOW_OK);
  EXPECT_EQ(frames_of(file_), std::vector{8});
  EXPECT_EQ(frames_of(old(1)), (std::vector{6, 7}));
  EXPECT_EQ(frames_of(old(2)), (std::vector{4, 5}));
  EXPECT_EQ(frames_of(old(3)), (std::vector{2, 3}));
  EXPECT_FALSE(std::filesystem::exists(old(4))) << "the oldest goes";
}

TEST_F(ResnetJson, WithoutMaxFilesEveryFileIsKept) {
  restart_with({{"location", file_.string()}, {"max-size-bytes", "1"}});
  for (int i = 0; i < 12; ++i) push(i);
  for (int i = 1; i < 12; ++i) EXPECT_EQ(frames_of(old(i)), std::vector{11 - i});
  EXPECT_EQ(frames_of(file_), std::vector{11});
}

TEST_F(ResnetJson, OneFileIsStartedAnewWhenItIsFull) {
  restart_with({{"location", file_.string()}, {"max-size-bytes", "1"}, {"max-files", "1"}});
  for (int i = 0; i < 3; ++i) push(i);
  EXPECT_EQ(frames_of(file_), std::vector{2});
  EXPECT_FALSE(std::filesystem::exists(old(1)));
}

TEST_F(ResnetJson, ARotationThatFailsIsAWarningAndLosesNothing) {
  restart_with({{"location", file_.string()}, {"max-size-bytes", "1"}, {"max-files", "3"}});
  std::filesystem::create_directory(old(2));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(push(i), GST_FLOW_OK);
  expect_message(GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE, file_);
  EXPECT_EQ(frames_of(old(1)), std::vector{0});
  EXPECT_EQ(frames_of(file_), (std::vector{1, 2, 3}));
  std::filesystem::remove(old(2));
  EXPECT_EQ(push(4), GST_FLOW_OK);
  EXPECT_EQ(frames_of(old(2)), std::vector{0});
  EXPECT_EQ(frames_of(old(1)), (std::vector{1, 2, 3}));
  EXPECT_EQ(frames_of(file_), std::vector{4});
}

TEST_F(ResnetJson, ANewFileThatCannotBeOpenedLeavesTheLinesInTheOldOne) {
  restart_with({{"location", file_.string()}, {"max-size-bytes", "1"}});
  push(0);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const GstFlowReturn flow = push(1);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(flow, GST_FLOW_OK);
  expect_message(GST_MESSAGE_WARNING, GST_RESOURCE_ERROR_WRITE, file_);
  EXPECT_EQ(frames_of(file_), (std::vector{0, 1}));
  EXPECT_FALSE(std::filesystem::exists(old(1)));
}

TEST_F(ResnetJson, AFileThatCannotBeKeptFailsTheStart) {
  restart_with("location", file_.c_str());
  push(0);
  gst_element_set_state(harness_->element, GST_STATE_NULL);
  std::filesystem::create_directory(old(1));
  g_object_set(harness_->element, "max-size-bytes", guint64{1000}, "max-files", 2u, nullptr);
  EXPECT_EQ(gst_element_set_state(harness_->element, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  expect_error(GST_RESOURCE_ERROR_OPEN_WRITE, file_);
  EXPECT_EQ(frames_of(file_), std::vector{0});
}

TEST_F(ResnetJson, WhatIsNoFileIsNotRotated) {
  const std::filesystem::path link = folder_ / "link";
  std::filesystem::create_symlink("/dev/null", link);
  restart_with({{"location", link.string()}, {"max-size-bytes", "1"}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(push(i), GST_FLOW_OK);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_FALSE(std::filesystem::exists(link.string() + ".1"));
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
  EXPECT_NE(pop_message(bus_, GST_MESSAGE_WARNING, GST_SECOND).text, "");
}

TEST_F(ResnetJson, AFullDiskIsAnError) {
  restart_with("location", "/dev/full");
  EXPECT_EQ(push(0), GST_FLOW_ERROR);
  expect_error(GST_RESOURCE_ERROR_WRITE, "/dev/full");
}

TEST_F(ResnetJson, ADiskThatFillsUpLeavesWholeLinesAndDoesNotKill) {
  restart_with("location", file_.c_str());
  push(0);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit full = before;
  full.rlim_cur = std::filesystem::file_size(file_) * 3 / 2;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  const GstFlowReturn flow = push(1);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(flow, GST_FLOW_ERROR);
  expect_error(GST_RESOURCE_ERROR_WRITE, file_);
  EXPECT_EQ(frames_of(file_), std::vector{0});
}

TEST_F(ResnetJson, AProgramThatIsKilledLosesNoLineThatWasWritten) {
  for (int round = 1; round <= 5; ++round) {
    // Some lines in each file, so that kills come between renames too.
    restart_with({{"location", file_.string()}, {"max-size-bytes", "2000"}, {"max-files", "0"}});
    const pid_t child = fork();
    if (child == 0) {
      for (int i = 0;; ++i) push(i);
    }
    ASSERT_GT(child, 0);
    for (int i = 0; i < 10'000 && !std::filesystem::exists(old(2)); ++i) g_usleep(1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * round));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";

    // All that is there, the oldest first: between two renames a number is missing.
    std::map<int, std::string, std::greater<>> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      const std::string number = entry.path().extension().string().substr(1);
      files[number == "jsonl" ? 0 : std::stoi(number)] = read_text(entry.path());
      std::filesystem::remove(entry.path());
    }
    std::string text;
    for (const auto& [number, part] : files) text += part;
    int frame = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n'), ++frame) {
      ASSERT_EQ(parsed(text.substr(0, end))["frame"], frame);
      text.erase(0, end + 1);
    }
    EXPECT_GT(frame, 1);
    EXPECT_GT(files.size(), 1U);
  }
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

TEST_F(ResnetJson, AFlushLosesNoLine) {
  restart_with("location", file_.c_str());
  push(0);
  gst_harness_push_event(harness_, gst_event_new_flush_start());
  gst_harness_push_event(harness_, gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness_, gst_event_new_segment(&segment));
  EXPECT_EQ(push(1), GST_FLOW_OK);
  EXPECT_EQ(lines().size(), 2u);
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
