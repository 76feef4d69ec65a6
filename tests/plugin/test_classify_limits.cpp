// resnetclassify where something runs out: buffers, room, memory, a peer, a device.
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gst/allocators/gstfdmemory.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "model/model_file.h"
#include "model/resnet.h"
#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

using Passed = std::vector<std::string>;

const std::string forever = std::to_string(3600 * GST_SECOND);

class ClassifyLimits : public ResnetClassify {
 protected:
  /// A network as a file, for pictures of that many pixels.
  std::string model_of(const ResNet& network, int crop_size) {
    ModelInfo info;
    info.preprocessing = Preprocessing::for_image_size(crop_size);
    const std::filesystem::path path = folder_ / ("m" + std::to_string(crop_size) + ".safetensors");
    save_model(path, network, info);
    return path.string();
  }
  TemporaryFolder folder_;
};

TEST_F(ClassifyLimits, APoolOfFourBuffersGoesOnWithPartialBatches) {
  open({{"batch-size", "8"}, {"batch-timeout", std::to_string(5 * GST_MSECOND)}});
  gst_harness_set_drop_buffers(harness_, TRUE);
  g_object_set(element(), "qos", FALSE, nullptr);
  GstBufferPool* pool = gst_buffer_pool_new();
  GstStructure* config = gst_buffer_pool_get_config(pool);
  GstCaps* caps = gst_video_info_to_caps(&info_);
  gst_buffer_pool_config_set_params(config, caps, static_cast<guint>(GST_VIDEO_INFO_SIZE(&info_)), 4, 4);
  gst_caps_unref(caps);
  ASSERT_TRUE(gst_buffer_pool_set_config(pool, config));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool, TRUE));
  Passed expected{"caps"};
  // The harness's clock stands still: the real one is the element's, so that the timeout comes.
  GstClock* clock = gst_system_clock_obtain();
  gst_element_set_clock(element(), clock);
  gst_object_unref(clock);
  for (int i = 0; i < 40; ++i) {
    GstBuffer* buffer = nullptr;
    ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr), GST_FLOW_OK);
    gst_buffer_memset(buffer, 0, static_cast<guint8>(i), GST_VIDEO_INFO_SIZE(&info_));
    GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(i) * 40 * GST_MSECOND;
    ASSERT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_OK);
    expected.push_back("frame " + std::to_string(i));
  }
  EXPECT_EQ(wait_until_passed(41), expected);
  gst_buffer_pool_set_active(pool, FALSE);
  gst_object_unref(pool);
}

TEST_F(ClassifyLimits, WhoIsHeldBackWaitsForNoCompany) {
  // Another element's batch size counts, so that two frames do not fill a batch; no third one gets in.
  GstElement* other = gst_element_factory_make("resnetclassify", nullptr);
  gst_object_ref_sink(other);
  g_object_set(other, "model", test_model().c_str(), "batch-size", 8, nullptr);
  gst_util_set_object_arg(G_OBJECT(other), "precision", "fp32");
  ASSERT_EQ(gst_element_set_state(other, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  open({{"batch-size", "2"}, {"max-in-flight", "2"}, {"batch-timeout", forever}});
  for (int i = 0; i < 3; ++i) ASSERT_EQ(gst_harness_push(harness_, frame(i)), GST_FLOW_OK);
  EXPECT_EQ(wait_until_passed(3), (Passed{"caps", "frame 0", "frame 1"}));
  gst_element_set_state(other, GST_STATE_NULL);
  gst_object_unref(other);
}

// What has run once needs no more memory: only the start can fail.
TEST_F(ClassifyLimits, OutOfMemoryIsAnErrorOfTheElementAndNotTheEndOfTheProcess) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's shadow memory leaves nothing to limit";
  open({{"threads", "1"}});
  GstElement* small_element = gst_element_factory_make("resnetclassify", nullptr);
  g_object_set(small_element, "model", test_model().c_str(), "batch-size", 1, "threads", 1, nullptr);
  GstHarness* small = gst_harness_new_with_element(small_element, "sink", "src");
  gst_object_unref(small_element);
  gst_harness_set_src_caps_str(small, caps_text(GST_VIDEO_FORMAT_RGB, 64, 48).c_str());
  gst_buffer_unref(gst_harness_push_and_pull(small, frame(0)));
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element(), bus);
  gst_element_set_state(element(), GST_STATE_NULL);
  // A first layer that takes 67 MB a picture, which no allocator keeps at hand.
  g_object_set(element(), "model", model_of(test_network(), 2048).c_str(), nullptr);

  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before{};
  getrlimit(RLIMIT_AS, &before);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (64U << 20U);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  const GstStateChangeReturn started = gst_element_set_state(element(), GST_STATE_PLAYING);
  const Message error = pop_message(bus, GST_MESSAGE_ERROR, 20 * GST_SECOND);
  GstBuffer* other = gst_harness_push_and_pull(small, frame(1));
  setrlimit(RLIMIT_AS, &before);

  EXPECT_EQ(started, GST_STATE_CHANGE_FAILURE);
  EXPECT_NE(error.text.find("memory"), std::string::npos) << error.text;
  EXPECT_EQ(error.domain, GST_RESOURCE_ERROR) << error.text;
  EXPECT_TRUE(other != nullptr && read_classification_meta(other)) << "another stream goes on";
  if (other) gst_buffer_unref(other);
  gst_element_set_bus(element(), nullptr);
  gst_object_unref(bus);
  gst_harness_teardown(small);
  // Started again with memory to be had it works.
  restart();
  GstBuffer* out = play(0);
  EXPECT_TRUE(out != nullptr && read_classification_meta(out));
  if (out) gst_buffer_unref(out);
}

TEST_F(ClassifyLimits, MemoryThatCannotBeWrittenIsOnlyRead) {
  open();
  // A file descriptor that is open for reading, as a camera's DMABuf may be.
  GstBuffer* pixels = frame(0);
  const std::string bytes = bytes_of(pixels);
  write_text(folder_ / "pixels", bytes);
  const int descriptor = ::open((folder_ / "pixels").c_str(), O_RDONLY | O_CLOEXEC);
  GstAllocator* allocator = gst_fd_allocator_new();
  GstMemory* memory = gst_fd_allocator_alloc(allocator, descriptor, bytes.size(), GST_FD_MEMORY_FLAG_NONE);
  for (const bool overlay : {false, true}) {
    g_object_set(element(), "overlay", overlay, nullptr);
    GstBuffer* in = gst_buffer_new();
    gst_buffer_copy_into(in, pixels, GST_BUFFER_COPY_TIMESTAMPS, 0, 0);
    gst_buffer_append_memory(in, gst_memory_ref(memory));
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    ASSERT_NE(out, nullptr);
    const auto result = read_classification_meta(out);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->drawn, overlay) << "drawn on a copy";
    EXPECT_EQ(gst_buffer_peek_memory(out, 0) == memory, !overlay);
    gst_buffer_unref(out);
  }
  gst_buffer_unref(pixels);
  gst_memory_unref(memory);
  gst_object_unref(allocator);
}

TEST_F(ClassifyLimits, InterlacedFramesPassAndAreClassifiedAsTheyAre) {
  for (const char* mode : {"interleaved", "mixed"}) {
    SCOPED_TRACE(mode);
    open({{"top-k", "5"}}, GST_VIDEO_FORMAT_I420, 64, 48);
    const std::string caps =
        caps_text(GST_VIDEO_FORMAT_I420, 64, 48) + ", interlace-mode=(string)" + std::string(mode);
    gst_harness_set_src_caps_str(harness_, caps.c_str());
    GstBuffer* in = frame(0);
    const std::vector<double> expected = expected_probabilities(info_, in);
    GST_BUFFER_FLAG_SET(in, GST_VIDEO_BUFFER_FLAG_INTERLACED);
    GST_BUFFER_FLAG_SET(in, GST_VIDEO_BUFFER_FLAG_TFF);
    GstBuffer* out = gst_harness_push_and_pull(harness_, in);
    ASSERT_NE(out, nullptr);
    EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(out, GST_VIDEO_BUFFER_FLAG_INTERLACED));
    EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(out, GST_VIDEO_BUFFER_FLAG_TFF));
    const auto result = read_classification_meta(out);
    ASSERT_TRUE(result);
    for (const ClassScore& score : result->scores) {
      EXPECT_NEAR(score.probability, expected.at(static_cast<std::size_t>(score.id)), 2e-3);
    }
    gst_buffer_unref(out);
    TearDown();
  }
}

TEST_F(ClassifyLimits, APeerThatLeavesAndAnotherThatComes) {
  open();
  gst_buffer_unref(play(0));
  GstPad* source = gst_element_get_static_pad(element(), "src");
  ASSERT_TRUE(gst_pad_unlink(source, harness_->sinkpad));
  GstFlowReturn flow = GST_FLOW_OK;
  for (int i = 1; i < 1000 && flow == GST_FLOW_OK; ++i) {
    flow = gst_harness_push(harness_, frame(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(flow, GST_FLOW_NOT_LINKED);
  ASSERT_EQ(gst_pad_link(source, harness_->sinkpad), GST_PAD_LINK_OK);
  ASSERT_EQ(gst_harness_push(harness_, frame(1000)), GST_FLOW_OK);
  // What was inside when the first peer left comes too, in its place.
  GstClockTime last = 0;
  while (last < 40000 * GST_MSECOND) {
    GstBuffer* out = gst_harness_pull(harness_);
    ASSERT_NE(out, nullptr);
    EXPECT_GT(GST_BUFFER_PTS(out), last);
    last = GST_BUFFER_PTS(out);
    gst_buffer_unref(out);
  }
  gst_object_unref(source);
}

long resident_kilobytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  long pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

TEST_F(ClassifyLimits, SixteenElementsHoldOneNetwork) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's memory is not ours to measure";
  const std::string model = model_of(make_resnet(find_architecture("resnet34"), 1000), 224);
  const long none = resident_kilobytes();
  std::vector<GstHarness*> harnesses;
  const auto start_one = [&] {
    GstElement* element = gst_element_factory_make("resnetclassify", nullptr);
    g_object_set(element, "model", model.c_str(), "overlay", FALSE, "batch-size", 1, nullptr);
    gst_util_set_object_arg(G_OBJECT(element), "precision", "fp32");
    harnesses.push_back(gst_harness_new_with_element(element, "sink", "src"));
    gst_object_unref(element);
    info_ = video_info(GST_VIDEO_FORMAT_NV12, 640, 360);
    gst_harness_set_src_caps_str(harnesses.back(), caps_text(GST_VIDEO_FORMAT_NV12, 640, 360).c_str());
    gst_buffer_unref(gst_harness_push_and_pull(harnesses.back(), frame(0)));
  };
  start_one();
  const long one = resident_kilobytes() - none;
  for (int i = 1; i < 16; ++i) start_one();
  const long sixteen = resident_kilobytes() - none;
  std::printf("one element: %ld kB, sixteen: %ld kB\n", one, sixteen);
  EXPECT_GT(one, 50'000) << "the weights, 87 MB, of which some lie where writing the file left room";
  constexpr long stream = 256;  // kB of buffers and a thread's stack
  EXPECT_LT(sixteen, one + one / 10 + 15 * stream);
  for (GstHarness* harness : harnesses) gst_harness_teardown(harness);
}

TEST_F(ClassifyLimits, StoppingAndStartingDoesNotGrow) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's memory is not ours to measure";
  open({{"batch-size", "1"}, {"threads", "1"}});
  const auto restart_often = [&](int count) {
    for (int i = 0; i < count; ++i) {
      restart();
      gst_buffer_unref(play(0));
    }
  };
  restart_often(20);
  const long before = resident_kilobytes();
  restart_often(100);
  const long growth = resident_kilobytes() - before;
  std::printf("100 restarts: %ld kB more\n", growth);
  EXPECT_LT(growth, 2048);
}

/// What a live source's element answers to LATENCY queries.
GstClockTime least_latency(GstPad* sink) {
  GstQuery* query = gst_query_new_latency();
  GstClockTime least = 0;
  EXPECT_TRUE(gst_pad_peer_query(sink, query));
  gst_query_parse_latency(query, nullptr, &least, nullptr);
  gst_query_unref(query);
  return least;
}

TEST_F(ClassifyLimits, ALatencyThatWasExceededIsTold) {
  open_live({{"batch-size", "1"}, {"max-in-flight", "100"}, {"qos", "false"}});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element(), bus);
  const GstClockTime before = least_latency(harness_->sinkpad);
  // A hundred frames at once: the last waits for ninety-nine runs of the network.
  for (int i = 0; i < 100; ++i) gst_harness_push(harness_, frame(i));
  for (int i = 0; i < 100; ++i) gst_buffer_unref(gst_harness_pull(harness_));
  const GstClockTime raised = least_latency(harness_->sinkpad);
  EXPECT_GT(raised, before);
  int messages = 0;
  while (GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_LATENCY)) {
    gst_message_unref(message);
    ++messages;
  }
  EXPECT_GT(messages, 0) << "a message says that it changed";
  EXPECT_LT(messages, 100) << "but not at each frame";
  for (int i = 100; i < 140; ++i) gst_buffer_unref(gst_harness_push_and_pull(harness_, frame(i)));
  // Frames that keep it change nothing; on a machine that stands still for that long they may not.
  GstMessage* again = gst_bus_pop_filtered(bus, GST_MESSAGE_LATENCY);
  EXPECT_EQ(again != nullptr, least_latency(harness_->sinkpad) != raised);
  gst_clear_message(&again);
  gst_element_set_bus(element(), nullptr);
  gst_object_unref(bus);
}

// A sink waits as long as it is told: told how long it waits, it would wait for ever longer.
TEST_F(ClassifyLimits, DownstreamThatHoldsFramesIsNotTheElementsLatency) {
  open_live({{"batch-size", "1"}});
  static std::atomic<bool> held;
  held = false;
  gst_pad_add_probe(
      harness_->sinkpad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo*, gpointer) {
        if (!held.exchange(true)) std::this_thread::sleep_for(std::chrono::seconds(1));
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  for (int i = 0; i < 20; ++i) gst_harness_push(harness_, frame(i));
  for (int i = 0; i < 20; ++i) gst_buffer_unref(gst_harness_pull(harness_));
  EXPECT_LT(least_latency(harness_->sinkpad), 600 * GST_MSECOND);
}

// Pictures for which the network takes longer than a frame lasts.
TEST_F(ClassifyLimits, BehindASlowNetworkALiveStreamIsNotFarBehind) {
  for (const bool caps_have_the_rate : {true, false}) {
    open_live({{"batch-size", "4"},
               {"max-in-flight", "5"},
               {"threads", "1"},
               {"model", test_model(1024).string()}});
    if (!caps_have_the_rate) {
      GstCaps* caps = gst_caps_from_string("video/x-raw, format=RGB, width=64, height=48, framerate=0/1");
      gst_harness_push_event(harness_, gst_event_new_caps(caps));
      gst_caps_unref(caps);
    }
    for (int i = 0; i < 100'000 && stat("batches") < 3; ++i) {
      gst_harness_push(harness_, frame(i));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      while (GstBuffer* out = gst_harness_try_pull(harness_)) gst_buffer_unref(out);
    }
    EXPECT_LE(least_latency(harness_->sinkpad), 5 * 40 * GST_MSECOND) << "that of the frames in flight";
    GstStructure* stats = nullptr;
    g_object_get(element(), "stats", &stats, nullptr);
    double mean_batch = 0;
    EXPECT_TRUE(gst_structure_get_double(stats, "mean-batch", &mean_batch));
    EXPECT_EQ(mean_batch, 1) << "what waits for company is late when it comes";
    gst_structure_free(stats);
    TearDown();
  }
}

TEST_F(ClassifyLimits, AFailedRunIsAnErrorAlsoOfFramesThatLeftBefore) {
  ResNet network = make_resnet(test_architecture, 5);
  {
    const torch::NoGradGuard no_grad;
    network->named_parameters()["fc.weight"].fill_(3e38F);  // sums of it are not finite
  }
  network->eval();
  open_live(
      {{"batch-size", "1"}, {"max-in-flight", "1"}, {"threads", "1"}, {"model", model_of(network, 1024)}});
  GstFlowReturn flow = GST_FLOW_OK;
  for (int i = 0; i < 10'000 && flow == GST_FLOW_OK; ++i) {
    flow = gst_harness_push(harness_, frame(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    while (GstBuffer* out = gst_harness_try_pull(harness_)) gst_buffer_unref(out);
  }
  EXPECT_EQ(flow, GST_FLOW_ERROR);
}

}  // namespace
}  // namespace resnet
