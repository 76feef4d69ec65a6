// Sixteen streams that ask for several times what the network can do: no frame is lost, none waits in a queue
// that grows.
//
//   RESNET_STRESS_SECONDS   how long they run; default 3
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>

#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

constexpr int stream_count = 16;
constexpr int frames_per_second = 30;
constexpr int max_in_flight = 6;

/// One camera, or one file that is played at its own pace, counted in front of the element and behind it.
class Stream {
 public:
  Stream(GstElement* pipeline, int number) : name_("classify" + std::to_string(number)) {
    element_ = gst_bin_get_by_name(GST_BIN(pipeline), name_.c_str());
    watch("sink", [](GstPad*, GstPadProbeInfo*, gpointer self) {
      Stream& s = *static_cast<Stream*>(self);
      const int inside = ++s.in_ - s.out_;
      s.most_inside_ = std::max(s.most_inside_, inside);
      return GST_PAD_PROBE_OK;
    });
    watch("src", [](GstPad*, GstPadProbeInfo* info, gpointer self) {
      Stream& s = *static_cast<Stream*>(self);
      GstBuffer* frame = GST_PAD_PROBE_INFO_BUFFER(info);
      s.in_order_ = s.in_order_ && (s.out_ == 0 || GST_BUFFER_PTS(frame) > s.last_);
      s.last_ = GST_BUFFER_PTS(frame);
      const std::optional<Classification> result = read_classification_meta(frame);
      if (!result) {
        s.without_ += s.with_ > 0;
      } else {
        ++s.with_;
        s.oldest_ = std::max(s.oldest_, result->age);
      }
      ++s.out_;
      return GST_PAD_PROBE_OK;
    });
  }
  ~Stream() { gst_object_unref(element_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// After the end of the stream.
  void check(int frames) const {
    SCOPED_TRACE(name_);
    EXPECT_EQ(in_, frames);
    EXPECT_EQ(out_, frames);
    EXPECT_TRUE(in_order_);
    EXPECT_EQ(without_, 0) << "once there is a result, every frame carries one";
    EXPECT_LE(most_inside_, max_in_flight + 2) << "those in flight, one that comes and one that goes";
    EXPECT_EQ(stat("frames"), static_cast<guint64>(frames));
    EXPECT_EQ(stat("inferences") + stat("reused") + stat("released"), static_cast<guint64>(frames));
    EXPECT_GT(stat("inferences"), 0u) << "none starves";
  }
  guint64 stat(const char* name) const {
    GstStructure* stats = nullptr;
    g_object_get(element_, "stats", &stats, nullptr);
    guint64 value = 0;
    EXPECT_TRUE(gst_structure_get_uint64(stats, name, &value)) << name;
    gst_structure_free(stats);
    return value;
  }
  GstClockTime oldest() const { return oldest_; }

 private:
  void watch(const char* pad_name, GstPadProbeCallback callback) {
    GstPad* pad = gst_element_get_static_pad(element_, pad_name);
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, callback, this, nullptr);
    gst_object_unref(pad);
  }

  std::string name_;
  GstElement* element_ = nullptr;
  std::atomic<int> in_ = 0, out_ = 0;
  int most_inside_ = 0;    // of the thread in front of the element
  GstClockTime last_ = 0;  // this and what follows: of the thread behind it
  GstClockTime oldest_ = 0;
  bool in_order_ = true;
  int with_ = 0, without_ = 0;
};

/// Plays until all streams ended. @return an error's text, if that is how
std::string run_to_the_end(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  const auto end = static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  const std::string text = read_message(gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, end)).text;
  gst_object_unref(bus);
  return text;
}

TEST(Overload, EveryFrameOfSixteenStreamsComesOut) {
  const char* text = std::getenv("RESNET_STRESS_SECONDS");
  const int frames = frames_per_second * (text ? std::max(1, std::atoi(text)) : 3);
  // Cameras, whose frames are too fast for the network, and files, of which the sink says that they are late.
  std::string description;
  for (int i = 0; i < stream_count; ++i) {
    const bool camera = i % 2 == 0;
    description +=
        "videotestsrc num-buffers=" + std::to_string(frames) + " is-live=" + (camera ? "true" : "false") +
        " ! video/x-raw,format=NV12,width=64,height=48,framerate=" + std::to_string(frames_per_second) +
        "/1 ! resnetclassify name=classify" + std::to_string(i) +
        " precision=fp32 threads=1 model=" + test_model(448).string() +
        " batch-size=4 max-in-flight=" + std::to_string(max_in_flight) +
        " ! fakesink qos=true sync=" + (camera ? "false " : "true ");
  }
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(description.c_str(), &error);
  ASSERT_EQ(error, nullptr) << error->message;
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < stream_count; ++i) streams.push_back(std::make_unique<Stream>(pipeline, i));
  EXPECT_EQ(run_to_the_end(pipeline), "");
  guint64 inferences = 0;
  GstClockTime oldest = 0;
  for (const auto& stream : streams) {
    stream->check(frames);
    inferences += stream->stat("inferences");
    oldest = std::max(oldest, stream->oldest());
  }
  std::printf("%d frames, %llu of them classified, the others with a result of up to %.2f s\n",
              frames * stream_count, static_cast<unsigned long long>(inferences),
              static_cast<double>(oldest) / GST_SECOND);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  streams.clear();
  gst_object_unref(pipeline);
}

}  // namespace
}  // namespace resnet
