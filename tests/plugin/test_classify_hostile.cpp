// resnetclassify, and what stands behind it, among streams, settings and files that nobody would wish for.
//
//   RESNET_STRESS_SECONDS   how long settings change at random; default 3
#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <random>

#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

using Hostile = ResnetClassify;

constexpr GstClockTime patience = 60 * GST_SECOND;

struct Extreme {
  GstVideoFormat format;
  int width, height;
  const char* rest;
};

// Sizes, rates and shapes of pixels at the ends of their ranges.
TEST_F(Hostile, CapsAtTheExtremesAreClassified) {
  open({{"batch-size", "1"}});
  int number = 0;
  for (const Extreme& caps :
       {Extreme{GST_VIDEO_FORMAT_RGB, 1, 1, "framerate=25/1"},
        Extreme{GST_VIDEO_FORMAT_NV12, 1, 1, "framerate=25/1"},
        Extreme{GST_VIDEO_FORMAT_I420, 1, 1, "framerate=0/1"},
        Extreme{GST_VIDEO_FORMAT_YUY2, 1, 1, "framerate=1000/1"},
        Extreme{GST_VIDEO_FORMAT_I420, 641, 479, "framerate=2147483647/1"},
        Extreme{GST_VIDEO_FORMAT_NV12, 3, 16383, "framerate=1/2147483647"},
        Extreme{GST_VIDEO_FORMAT_YUY2, 16383, 3, "framerate=25/1"},
        Extreme{GST_VIDEO_FORMAT_GRAY8, 16384, 16384, "framerate=25/1"},
        Extreme{GST_VIDEO_FORMAT_RGB, 64, 48, "framerate=25/1,pixel-aspect-ratio=1/100"},
        Extreme{GST_VIDEO_FORMAT_RGB, 64, 48, "framerate=25/1,pixel-aspect-ratio=100/1"}}) {
    const std::string text = "video/x-raw,format=" + std::string(gst_video_format_to_string(caps.format)) +
                             ",width=" + std::to_string(caps.width) +
                             ",height=" + std::to_string(caps.height) + "," + caps.rest;
    SCOPED_TRACE(text);
    gst_harness_set_src_caps_str(harness_, text.c_str());
    GstCaps* negotiated = gst_caps_from_string(text.c_str());
    ASSERT_TRUE(gst_video_info_from_caps(&info_, negotiated));
    gst_caps_unref(negotiated);
    GstBuffer* out = gst_harness_push_and_pull(harness_, new_frame(info_, 90, number++));
    ASSERT_NE(out, nullptr);
    EXPECT_TRUE(read_classification_meta(out));
    gst_buffer_unref(out);
  }
}

TEST_F(Hostile, AShapeOfPixelsThatNoCameraHasIsAnError) {
  for (const std::string shape : {"1/1000", "2147483647/1"}) {
    open();
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(element(), bus);
    gst_harness_set_src_caps_str(
        harness_,
        (caps_text(GST_VIDEO_FORMAT_RGB, 64, 48) + ",pixel-aspect-ratio=(fraction)" + shape).c_str());
    gst_harness_push(harness_, frame(0));
    const std::string text = pop_message(bus, GST_MESSAGE_ERROR, patience).text;
    EXPECT_NE(text.find("pixel aspect ratio"), std::string::npos) << text;
    gst_element_set_bus(element(), nullptr);
    gst_object_unref(bus);
    TearDown();
  }
}

TEST_F(Hostile, AModelFileThatIsDeletedServesOnUntilTheNextStart) {
  const TemporaryFolder folder;
  const std::filesystem::path model = folder / "gone.pth";
  std::filesystem::copy_file(test_model(), model);
  open({{"model", model.string()}, {"batch-size", "1"}, {"model-instance-id", "gone"}});
  gst_buffer_unref(play(0));
  std::filesystem::remove(model);
  for (int i = 1; i < 5; ++i) {
    GstBuffer* out = play(i);
    EXPECT_TRUE(read_classification_meta(out));
    gst_buffer_unref(out);
  }
  EXPECT_EQ(gst_element_set_state(element(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  EXPECT_EQ(gst_element_set_state(element(), GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  std::filesystem::copy_file(test_model(), model);
  restart();
  gst_buffer_unref(play(0));
}

class RandomSettings {
 public:
  explicit RandomSettings(unsigned seed) : dice_(seed) {}

  int roll(int least, int most) { return std::uniform_int_distribution<int>(least, most)(dice_); }

  /// Sets one property that may be written, to anything that its type can hold, at times beyond its range.
  void change_one(GstElement* element) {
    guint count = 0;
    GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
    const GParamSpec* spec = specs[roll(0, static_cast<int>(count) - 1)];
    const std::string name = spec->name;
    if ((spec->flags & G_PARAM_WRITABLE) != 0 && name != "parent" && name != "name") {
      // By text, as gst-launch-1.0 sets it: what does not parse or is out of range is not taken.
      gst_util_set_object_arg(G_OBJECT(element), name.c_str(), value_for(name).c_str());
    }
    g_free(static_cast<gpointer>(specs));
  }

 private:
  std::string value_for(const std::string& name) {
    static constexpr std::array texts{"",
                                      "0",
                                      "1",
                                      "-1",
                                      "7",
                                      "1000000",
                                      "18446744073709551615",
                                      "0.5",
                                      "nan",
                                      "inf",
                                      "1e9",
                                      "true",
                                      "false",
                                      "auto",
                                      "cpu",
                                      "cuda",
                                      "cuda:7",
                                      "int8",
                                      "bf16",
                                      "fp32",
                                      "roi-list",
                                      "/dev/zero",
                                      "/",
                                      "no such file",
                                      "features",
                                      "classes+features",
                                      "\xff\xfe"};
    if (name == "model" && roll(0, 3) > 0) return test_model().string();
    // A file that harms nobody, and no descriptor of this program's.
    if (name == "location") return roll(0, 3) > 0 ? (folder_ / "results.jsonl").string() : "/dev/full";
    if (name == "fd") return roll(0, 3) > 0 ? "-1" : "1000000";
    // What would take gigabytes or hours is no fault of the element's.
    if (name == "batch-size" || name == "max-in-flight") return std::to_string(roll(-1, 9));
    if (name == "threads") return std::to_string(roll(-1, 3));
    if (name == "batch-timeout" && roll(0, 1) == 0) return "1000000";
    return texts[static_cast<std::size_t>(roll(0, static_cast<int>(texts.size()) - 1))];
  }

  std::mt19937 dice_;
  TemporaryFolder folder_;
};

// Whatever the settings and the state, an element that is then set up properly works.
TEST(HostileSettings, AnyPropertyInAnyState) {
  const char* seconds = std::getenv("RESNET_STRESS_SECONDS");
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 3);
  gst_debug_set_default_threshold(GST_LEVEL_NONE);  // every refusal is a warning
  RandomSettings settings(5);
  int rounds = 0, frames = 0;
  GLogFunc quiet = [](const gchar*, GLogLevelFlags, const gchar*, gpointer) {};
  const GLogFunc loud = g_log_set_default_handler(quiet, nullptr);
  while (rounds < 3 || std::chrono::steady_clock::now() < end) {
    ++rounds;
    GstElement* pipeline = gst_parse_launch(
        "videotestsrc ! video/x-raw,width=64,height=48 ! resnetclassify name=c ! resnetoverlay name=o ! "
        "resnetjson name=j ! fakesink name=s",
        nullptr);
    std::array<GstElement*, 3> elements{};
    for (std::size_t i = 0; i < elements.size(); ++i)
      elements[i] = gst_bin_get_by_name(GST_BIN(pipeline), std::array{"c", "o", "j"}[i]);
    g_object_set(elements[0], "model", test_model().c_str(), nullptr);
    for (int step = 0; step < 30; ++step) {
      constexpr std::array states{GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING};
      if (settings.roll(0, 3) == 0) {
        gst_element_set_state(pipeline, states[static_cast<std::size_t>(settings.roll(0, 3))]);
        gst_element_get_state(pipeline, nullptr, nullptr, 20 * GST_MSECOND);
      }
      settings.change_one(elements[static_cast<std::size_t>(std::max(0, settings.roll(-3, 2)))]);
    }
    ASSERT_NE(gst_element_set_state(pipeline, GST_STATE_NULL), GST_STATE_CHANGE_FAILURE);
    for (GstElement* element : elements) gst_object_unref(element);
    gst_object_unref(pipeline);

    GstHarness* harness = gst_harness_new_parse(
        ("resnetclassify precision=fp32 batch-size=1 threads=1 model=" + test_model().string()).c_str());
    gst_harness_set_src_caps_str(harness, caps_text(GST_VIDEO_FORMAT_RGB, 64, 48).c_str());
    GstBuffer* out =
        gst_harness_push_and_pull(harness, new_frame(video_info(GST_VIDEO_FORMAT_RGB, 64, 48), 100));
    ASSERT_NE(out, nullptr);
    frames += read_classification_meta(out) ? 1 : 0;
    gst_buffer_unref(out);
    gst_harness_teardown(harness);
  }
  g_log_set_default_handler(loud, nullptr);
  EXPECT_EQ(frames, rounds);
  std::printf("%d rounds\n", rounds);
}

/// Flips some bits of each buffer that passes.
GstPadProbeReturn flip_bits(GstPad*, GstPadProbeInfo* info, gpointer dice) {
  auto& random = *static_cast<std::mt19937*>(dice);
  GstBuffer* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
  GstMapInfo map;
  if (gst_buffer_map(buffer, &map, GST_MAP_READWRITE)) {
    for (int i = 0; i < 8 && map.size > 0; ++i)
      map.data[random() % map.size] ^= static_cast<guint8>(1U << random() % 8);
    gst_buffer_unmap(buffer, &map);
  }
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
  return GST_PAD_PROBE_OK;
}

// What a decoder makes of damaged video: other sizes, frames that miss, errors. None of them is the element's
// end.
TEST(HostileVideo, BitsThatFlipInFrontOfTheDecoder) {
  for (const std::string codec :
       {"jpegenc ! identity name=damage ! jpegdec", "vp8enc deadline=1 ! identity name=damage ! vp8dec"}) {
    SCOPED_TRACE(codec);
    GstElement* pipeline = gst_parse_launch(
        ("videotestsrc num-buffers=150 pattern=ball ! video/x-raw,width=160,height=120 ! " + codec +
         " ! videoconvert ! resnetclassify name=c precision=fp32 threads=1 model=" + test_model().string() +
         " ! fakesink name=s")
            .c_str(),
        nullptr);
    ASSERT_NE(pipeline, nullptr);
    std::mt19937 dice(3);  // NOLINT(bugprone-random-generator-seed)
    GstElement* damage = gst_bin_get_by_name(GST_BIN(pipeline), "damage");
    GstPad* pad = gst_element_get_static_pad(damage, "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, flip_bits, &dice, nullptr);
    gst_object_unref(pad);
    gst_object_unref(damage);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, patience, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    ASSERT_NE(message, nullptr) << "it hangs";
    GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), "c");
    EXPECT_NE(GST_MESSAGE_SRC(message), GST_OBJECT(element));
    GstStructure* stats = nullptr;
    g_object_get(element, "stats", &stats, nullptr);
    gchar* said = gst_structure_to_string(stats);
    std::printf("%s: %s, %s\n", codec.c_str(), GST_MESSAGE_TYPE_NAME(message), said);
    g_free(said);
    gst_structure_free(stats);
    gst_object_unref(element);
    gst_message_unref(message);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}

}  // namespace
}  // namespace resnet
