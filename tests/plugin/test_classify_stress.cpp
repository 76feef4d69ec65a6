// Many streams on one network that start, seek, change and stop at random; and a long one whose memory stays.
//
//   RESNET_STRESS_SECONDS   how long the streams run; default 3
//   RESNET_SOAK_FRAMES      frames of the long stream; default 4000
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include <unistd.h>

#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_RGB,  GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420,
                                  GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_GRAY8};

/// One user of the element who does as the dice say.
class RandomStream {
 public:
  explicit RandomStream(unsigned seed) : dice_(seed) {
    GstElement* element = gst_element_factory_make("resnetclassify", nullptr);
    g_object_set(element, "model", test_model().c_str(), "batch-size", roll(1, 8), "max-in-flight",
                 roll(1, 20), "batch-timeout", static_cast<guint64>(roll(0, 1)) * 2 * GST_MSECOND, "threads",
                 1, nullptr);
    gst_util_set_object_arg(G_OBJECT(element), "precision", "fp32");
    harness_ = gst_harness_new_with_element(element, "sink", "src");
    gst_object_unref(element);
    change_caps();
  }
  ~RandomStream() { gst_harness_teardown(harness_); }
  RandomStream(const RandomStream&) = delete;
  RandomStream& operator=(const RandomStream&) = delete;

  void step() {
    const int what = roll(0, 99);
    if (what < 80) {
      push();
    } else if (what < 84) {
      flush();
    } else if (what < 88) {
      change_caps();
    } else if (what < 92) {
      change_property();
    } else if (what < 94) {
      end();
    } else if (what < 95) {
      restart();
    } else {
      take();
    }
  }
  /// Ends the stream and takes what is left: every frame since the last flush or stop must have come out.
  void finish() {
    end();
    for (int i = 0; i < 2000 && taken_ < pushed_; ++i) {
      take();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(taken_, pushed_);
  }
  int frames() const { return total_; }

 private:
  int roll(int least, int most) { return std::uniform_int_distribution<int>(least, most)(dice_); }

  void push() {
    GstBuffer* buffer = new_frame(info_, static_cast<guint8>(roll(0, 255)), total_++);
    if (roll(0, 9) == 0) gst_buffer_add_video_region_of_interest_meta(buffer, "face", 1, 1, 8, 8);
    ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
    ++pushed_;
  }
  void take() {
    while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
      EXPECT_GT(static_cast<gint64>(GST_BUFFER_PTS(buffer)), last_);
      last_ = static_cast<gint64>(GST_BUFFER_PTS(buffer));
      ++taken_;
      gst_buffer_unref(buffer);
    }
  }
  void forget() {
    take();
    pushed_ = taken_ = 0;
  }
  void start_segment() {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(harness_, gst_event_new_segment(&segment));
  }
  void flush() {
    gst_harness_push_event(harness_, gst_event_new_flush_start());
    gst_harness_push_event(harness_, gst_event_new_flush_stop(TRUE));
    forget();
    start_segment();
  }
  void change_caps() {
    info_ = video_info(formats[roll(0, 5)], static_cast<guint>(roll(1, 80)), static_cast<guint>(roll(1, 80)));
    gst_harness_set_src_caps(harness_, gst_video_info_to_caps(&info_));
  }
  void change_property() {
    GstElement* element = harness_->element;
    switch (roll(0, 6)) {
      case 0:
        g_object_set(element, "top-k", roll(1, 10), nullptr);
        break;
      case 1:
        g_object_set(element, "enabled", roll(0, 3) > 0, nullptr);
        break;
      case 2:
        g_object_set(element, "inference-interval", roll(1, 4), nullptr);
        break;
      case 3:
        g_object_set(element, "inference-region", roll(0, 1), nullptr);
        break;
      case 4:
        g_object_set(element, "change-threshold", static_cast<double>(roll(-1, 3)), nullptr);
        break;
      case 5:
        g_object_set(element, "overlay", roll(0, 1), nullptr);
        break;
      default:
        g_object_set(element, "model", test_model().c_str(), nullptr);
        break;
    }
  }
  void end() {
    gst_harness_push_event(harness_, gst_event_new_eos());
    gst_harness_push_event(harness_, gst_event_new_stream_start("again"));
    gst_harness_set_src_caps(harness_, gst_video_info_to_caps(&info_));
    start_segment();
  }
  void restart() {
    ASSERT_NE(gst_element_set_state(harness_->element, GST_STATE_NULL), GST_STATE_CHANGE_FAILURE);
    forget();
    ASSERT_NE(gst_element_set_state(harness_->element, GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    gst_harness_push_event(harness_, gst_event_new_stream_start("anew"));
    change_caps();
    start_segment();
  }

  std::mt19937 dice_;
  GstHarness* harness_ = nullptr;
  GstVideoInfo info_{};
  int total_ = 0, pushed_ = 0, taken_ = 0;
  gint64 last_ = -1;
};

TEST(ClassifyStress, SixteenStreamsAtRandom) {
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(setting("RESNET_STRESS_SECONDS", 3));
  std::atomic<int> frames{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 16; ++i) {
    threads.emplace_back([&frames, end, i] {
      RandomStream stream(i + 1);
      // On a machine that is slow to start them, some steps all the same.
      for (int steps = 0; steps < 20 || std::chrono::steady_clock::now() < end; ++steps) {
        if (testing::Test::HasFailure()) break;
        stream.step();
      }
      stream.finish();
      frames += stream.frames();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(frames, 16);
  std::printf("%d frames\n", frames.load());
}

long resident_kilobytes() {
  std::ifstream file("/proc/self/statm");
  long pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/// kB that a stream of as many frames as the settings say takes more in the end than after its beginning: the
/// lesser of two such, as what happens once (arenas of threads that earlier tests had) is no leak.
long growth_of_a_long_stream(bool regions_and_overlay) {
  const int frames = setting("RESNET_SOAK_FRAMES", 4000);
  GstElement* element = gst_element_factory_make("resnetclassify", nullptr);
  // oneDNN keeps kernels for each size of batch that it has seen: with one size it has seen them all.
  g_object_set(element, "model", test_model().c_str(), "threads", 1, "batch-size", 1, "inference-region",
               regions_and_overlay, "overlay", regions_and_overlay, nullptr);
  GstHarness* harness = gst_harness_new_with_element(element, "sink", "src");
  gst_object_unref(element);
  const GstVideoInfo info = video_info(GST_VIDEO_FORMAT_I420, 64, 48);
  gst_harness_set_src_caps_str(harness, caps_text(GST_VIDEO_FORMAT_I420, 64, 48).c_str());
  GstBuffer* picture = new_frame(info, 100);
  if (regions_and_overlay) gst_buffer_add_video_region_of_interest_meta(picture, "face", 8, 8, 32, 32);
  const auto pass = [&](int count, int from) {
    for (int i = 0; i < count; ++i) {
      GstBuffer* in = gst_buffer_copy(picture);
      GST_BUFFER_PTS(in) = static_cast<GstClockTime>(from + i) * 40 * GST_MSECOND;
      EXPECT_EQ(gst_harness_push(harness, in), GST_FLOW_OK);
      while (GstBuffer* out = gst_harness_try_pull(harness)) gst_buffer_unref(out);
    }
  };
  pass(1000, 0);
  std::array<long, 2> growths{};
  for (std::size_t i = 0; i < growths.size(); ++i) {
    const long before = resident_kilobytes();
    pass(frames, 1000 + static_cast<int>(i) * frames);
    growths.at(i) = resident_kilobytes() - before;
    std::printf("%d frames: %ld kB more\n", frames, growths.at(i));
  }
  const long growth = *std::ranges::min_element(growths);
  gst_buffer_unref(picture);
  gst_harness_teardown(harness);
  return growth;
}

TEST(ClassifyStress, ALongStreamDoesNotGrow) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's memory is not ours to measure";
  EXPECT_LT(growth_of_a_long_stream(false), 2048);
}

TEST(ClassifyStress, ALongStreamWithRegionsDoesNotGrow) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's memory is not ours to measure";
  EXPECT_LT(growth_of_a_long_stream(true), 2048);
}

}  // namespace
}  // namespace resnet
