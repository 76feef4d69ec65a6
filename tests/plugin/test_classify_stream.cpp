// Order, batches, events, flushes and states of resnetclassify.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <gst/check/gsttestclock.h>

#include "tests/plugin/classify_fixture.h"

namespace resnet {
namespace {

using Passed = std::vector<std::string>;

// Nobody waits so long: what comes out sooner was sent by something else than the timeout.
const std::string forever = std::to_string(3600 * GST_SECOND);
const std::vector<std::pair<std::string, std::string>> patient{{"batch-size", "8"},
                                                               {"batch-timeout", forever}};

void let_others_work() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

GstEvent* custom_event() {
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("test"));
}

TEST_F(ResnetClassify, FramesComeInOrderWhateverTheBatches) {
  open({{"batch-size", "4"}, {"max-in-flight", "6"}});
  Passed expected{"caps"};
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(gst_harness_push(harness_, frame(i)), GST_FLOW_OK);
    expected.push_back("frame " + std::to_string(i));
  }
  EXPECT_EQ(wait_until_passed(51), expected);
}

TEST_F(ResnetClassify, EosSendsAPartialBatchAndComesLast) {
  open(patient);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(gst_harness_push(harness_, frame(i)), GST_FLOW_OK);
  let_others_work();
  EXPECT_EQ(passed(), (Passed{"caps"})) << "three frames wait for company";
  gst_harness_push_event(harness_, gst_event_new_eos());
  EXPECT_EQ(wait_until_passed(5), (Passed{"caps", "frame 0", "frame 1", "frame 2", "eos"}));
}

TEST_F(ResnetClassify, EventsKeepTheirPlaceAndSendTheFramesInFrontOfThem) {
  open(patient);
  gst_harness_push(harness_, frame(0));
  gst_harness_push_event(harness_, custom_event());
  EXPECT_EQ(wait_until_passed(3), (Passed{"caps", "frame 0", "custom"}));
  gst_harness_push(harness_, frame(1));
  gst_harness_push_event(harness_, gst_event_new_gap(0, GST_SECOND));
  EXPECT_EQ(wait_until_passed(5), (Passed{"caps", "frame 0", "custom", "frame 1", "gap"}));
}

TEST_F(ResnetClassify, CapsChangeBetweenFrames) {
  open(patient);
  gst_harness_push(harness_, frame(0));
  send_caps(GST_VIDEO_FORMAT_NV12, 100, 60);
  GstBuffer* in = frame(1);
  const std::vector<double> expected = expected_probabilities(info_, in);
  gst_harness_push(harness_, in);
  gst_harness_push_event(harness_, gst_event_new_eos());
  EXPECT_EQ(wait_until_passed(5), (Passed{"caps", "frame 0", "caps", "frame 1", "eos"}));
  gst_buffer_unref(gst_harness_pull(harness_));
  GstBuffer* out = gst_harness_pull(harness_);
  const ClassScore best = read_classification_meta(out)->scores.at(0);
  EXPECT_NEAR(best.probability, expected[static_cast<std::size_t>(best.id)], 1e-4);
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, AFullBatchGoesAtOnce) {
  open(patient);
  for (int i = 0; i < 9; ++i) gst_harness_push(harness_, frame(i));
  EXPECT_EQ(wait_until_passed(9).size(), 9u);
  let_others_work();
  EXPECT_EQ(passed().size(), 9u) << "the ninth waits for company";
}

TEST_F(ResnetClassify, TheTimeoutRunsOnTheElementsClock) {
  make({{"batch-size", "8"}, {"batch-timeout", std::to_string(100 * GST_MSECOND)}});
  gst_harness_use_testclock(harness_);
  GstTestClock* clock = gst_harness_get_testclock(harness_);
  send_caps(GST_VIDEO_FORMAT_RGB, 64, 48);
  gst_harness_push(harness_, frame(0));
  gst_test_clock_set_time(clock, 60 * GST_MSECOND);
  gst_harness_push(harness_, frame(1));
  let_others_work();
  EXPECT_EQ(passed(), Passed{"caps"});
  // The first frame has waited long enough, and takes the second one along.
  ASSERT_TRUE(gst_harness_crank_single_clock_wait(harness_));
  EXPECT_EQ(gst_clock_get_time(GST_CLOCK(clock)), 100 * GST_MSECOND);
  EXPECT_EQ(wait_until_passed(3), (Passed{"caps", "frame 0", "frame 1"}));
  // A batch that filled up leaves the alarm to the frame that opens the next one.
  for (int i = 2; i < 10; ++i) gst_harness_push(harness_, frame(i));
  EXPECT_EQ(wait_until_passed(11).size(), 11u);
  gst_test_clock_set_time(clock, 150 * GST_MSECOND);
  gst_harness_push(harness_, frame(10));
  ASSERT_TRUE(gst_harness_crank_single_clock_wait(harness_));
  EXPECT_EQ(gst_clock_get_time(GST_CLOCK(clock)), 200 * GST_MSECOND);
  let_others_work();
  EXPECT_EQ(passed().size(), 11u) << "frame 10 has waited 50 ms";
  ASSERT_TRUE(gst_harness_crank_single_clock_wait(harness_));
  EXPECT_EQ(gst_clock_get_time(GST_CLOCK(clock)), 250 * GST_MSECOND);
  EXPECT_EQ(wait_until_passed(12).back(), "frame 10");
  gst_object_unref(clock);
}

TEST_F(ResnetClassify, NothingWaitsWithoutAClock) {
  open(patient);
  gst_element_set_clock(element(), nullptr);
  gst_harness_push(harness_, frame(0));
  EXPECT_EQ(wait_until_passed(2), (Passed{"caps", "frame 0"}));
}

TEST_F(ResnetClassify, NothingWaitsWhilePaused) {
  open(patient);
  gst_harness_push(harness_, frame(0));
  let_others_work();
  EXPECT_EQ(passed(), Passed{"caps"});
  gst_element_set_state(element(), GST_STATE_PAUSED);
  EXPECT_EQ(wait_until_passed(2), (Passed{"caps", "frame 0"}));
  gst_harness_push(harness_, frame(1));
  EXPECT_EQ(wait_until_passed(3), (Passed{"caps", "frame 0", "frame 1"}));
}

TEST_F(ResnetClassify, AFlushDropsWhatWaitsAndTheStreamGoesOn) {
  open(patient);
  for (int i = 0; i < 3; ++i) gst_harness_push(harness_, frame(i));
  wait_until_passed(1);
  let_others_work();  // caps that are still being passed on when the flush comes are passed on again
  gst_harness_push_event(harness_, gst_event_new_flush_start());
  EXPECT_EQ(gst_harness_push(harness_, frame(3)), GST_FLOW_FLUSHING);
  gst_harness_push_event(harness_, gst_event_new_flush_stop(TRUE));
  start_segment();
  for (int i = 10; i < 12; ++i) gst_harness_push(harness_, frame(i));
  gst_harness_push_event(harness_, gst_event_new_eos());
  EXPECT_EQ(wait_until_passed(6),
            (Passed{"caps", "flush-start", "flush-stop", "frame 10", "frame 11", "eos"}));
}

TEST_F(ResnetClassify, AFlushKeepsCapsThatHaveNotPassedYet) {
  make(patient);
  // Downstream takes nothing, so that the caps are still inside when the flush comes.
  GstPad* source = gst_element_get_static_pad(element(), "src");
  const gulong block = gst_pad_add_probe(
      source, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
  send_caps(GST_VIDEO_FORMAT_RGB, 64, 48);
  gst_harness_push(harness_, frame(0));
  gst_harness_push_event(harness_, gst_event_new_flush_start());
  gst_pad_remove_probe(source, block);
  gst_object_unref(source);
  gst_harness_push_event(harness_, gst_event_new_flush_stop(TRUE));
  start_segment();
  gst_harness_push(harness_, frame(1));
  gst_harness_push_event(harness_, gst_event_new_eos());
  EXPECT_EQ(wait_until_passed(5), (Passed{"flush-start", "flush-stop", "caps", "frame 1", "eos"}));
}

/// Downstream holds a buffer until told to return something.
class Gate {
 public:
  static GstFlowReturn chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
    gst_buffer_unref(buffer);
    return static_cast<Gate*>(g_object_get_data(G_OBJECT(pad), "gate"))->wait();
  }
  void guard(GstPad* pad) {
    g_object_set_data(G_OBJECT(pad), "gate", this);
    gst_pad_set_chain_function(pad, chain);
  }
  void wait_until_reached() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
  }
  void open(GstFlowReturn flow) {
    const std::lock_guard lock(mutex_);
    flow_ = flow;
    changed_.notify_all();
  }

 private:
  GstFlowReturn wait() {
    std::unique_lock lock(mutex_);
    reached_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return flow_.has_value(); });
    return *flow_;
  }

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  bool reached_ = false;
  std::optional<GstFlowReturn> flow_;
};

TEST_F(ResnetClassify, AFlushKeepsCapsAlsoWhereDownstreamWasFlushingFirst) {
  open();
  Gate gate;
  gate.guard(harness_->sinkpad);
  gst_harness_push(harness_, frame(0));
  gate.wait_until_reached();
  send_caps(GST_VIDEO_FORMAT_RGB, 32, 24);
  gate.open(GST_FLOW_FLUSHING);
  while (gst_harness_push(harness_, frame(1)) == GST_FLOW_OK)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  gst_harness_push_event(harness_, gst_event_new_flush_start());
  gst_harness_push_event(harness_, gst_event_new_flush_stop(TRUE));
  GstPad* source = gst_element_get_static_pad(element(), "src");
  GstCaps* caps = gst_pad_get_current_caps(source);
  int width = 0;
  ASSERT_NE(caps, nullptr);
  gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
  EXPECT_EQ(width, 32);
  gst_caps_unref(caps);
  gst_object_unref(source);
}

TEST_F(ResnetClassify, AnEndThatDownstreamDoesNotTakeIsAnError) {
  for (const GstFlowReturn flow : {GST_FLOW_NOT_LINKED, GST_FLOW_NOT_NEGOTIATED}) {
    open();
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(element(), bus);
    Gate gate;
    gate.guard(harness_->sinkpad);
    gst_harness_push(harness_, frame(0));
    gate.wait_until_reached();
    gst_harness_push_event(harness_, gst_event_new_eos());  // nobody pushes any more
    gate.open(flow);
    const Message message = pop_message(bus, GST_MESSAGE_ERROR, 10 * GST_SECOND);
    EXPECT_EQ(message.domain, GST_STREAM_ERROR) << gst_flow_get_name(flow);
    gst_element_set_bus(element(), nullptr);
    gst_object_unref(bus);
    TearDown();
  }
}

TEST_F(ResnetClassify, ANewStreamMayFollowEos) {
  open();
  gst_harness_push(harness_, frame(0));
  gst_harness_push_event(harness_, gst_event_new_eos());
  gst_harness_push_event(harness_, gst_event_new_stream_start("second"));
  start_segment();
  gst_harness_push(harness_, frame(1));
  EXPECT_EQ(wait_until_passed(4), (Passed{"caps", "frame 0", "eos", "frame 1"}));
}

TEST_F(ResnetClassify, StoppingWithFramesInsideDoesNotHang) {
  for (int round = 0; round < 5; ++round) {
    open(patient);
    for (int i = 0; i < 7; ++i) gst_harness_push(harness_, frame(i));
    TearDown();
  }
}

TEST_F(ResnetClassify, StartsAgainAfterNull) {
  open();
  gst_buffer_unref(play(0));
  restart();
  GstBuffer* out = play(1);
  ASSERT_NE(out, nullptr);
  EXPECT_TRUE(read_classification_meta(out).has_value());
  gst_buffer_unref(out);
}

TEST_F(ResnetClassify, PropertiesSetInReadyTakeEffect) {
  open();
  gst_buffer_unref(play(0));
  gst_element_set_state(element(), GST_STATE_READY);
  g_object_set(element(), "model", "/nonexistent/flowers.pth", nullptr);
  EXPECT_EQ(gst_element_set_state(element(), GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  g_object_set(element(), "model", test_model().c_str(), nullptr);
  EXPECT_EQ(gst_element_set_state(element(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
}

TEST_F(ResnetClassify, FramesBeforeCapsAreNotNegotiated) {
  make({});
  info_ = video_info(GST_VIDEO_FORMAT_RGB, 64, 48);
  gst_harness_push_event(harness_, gst_event_new_stream_start("test"));
  start_segment();
  EXPECT_EQ(gst_harness_push(harness_, frame(0)), GST_FLOW_NOT_NEGOTIATED);
}

TEST_F(ResnetClassify, AFrameSmallerThanItsCapsIsAnError) {
  open();
  EXPECT_EQ(gst_harness_push(harness_, gst_buffer_new_allocate(nullptr, 10, nullptr)), GST_FLOW_ERROR);
}

TEST_F(ResnetClassify, AFrameThatDoesNotHoldWhatItsMetaSaysIsAnError) {
  // Stride and offset of the second plane.
  for (const auto& [stride, offset] :
       {std::pair<gint, gsize>{640, 64 * 48}, {64, 64 * 48 * 3 / 2 - 1}, {-64, 0}}) {
    open({}, GST_VIDEO_FORMAT_NV12, 64, 48);
    GstBuffer* buffer = frame(0);
    gsize offsets[GST_VIDEO_MAX_PLANES] = {0, offset};
    gint strides[GST_VIDEO_MAX_PLANES] = {64, stride};
    gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 64, 48, 2,
                                   offsets, strides);
    EXPECT_EQ(gst_harness_push(harness_, buffer), GST_FLOW_ERROR) << stride << " " << offset;
    TearDown();
  }
}

TEST_F(ResnetClassify, TheAllocationQueryAsksForTheFramesInFlight) {
  open({{"max-in-flight", "12"}});
  GstCaps* caps = gst_video_info_to_caps(&info_);
  GstQuery* query = gst_query_new_allocation(caps, TRUE);
  ASSERT_TRUE(gst_pad_peer_query(harness_->srcpad, query));
  ASSERT_GE(gst_query_get_n_allocation_pools(query), 1u);
  guint least = 0;
  gst_query_parse_nth_allocation_pool(query, 0, nullptr, nullptr, &least, nullptr);
  EXPECT_GE(least, 12u);
  EXPECT_FALSE(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr))
      << "downstream, which gets the frames as they are, reads none";
  gst_query_unref(query);
  gst_caps_unref(caps);
}

TEST_F(ResnetClassify, TheLatencyCountsTheTimeoutAndTheFramesInFlight) {
  make({{"batch-timeout", std::to_string(70 * GST_MSECOND)}, {"max-in-flight", "10"}});
  gst_harness_set_live(harness_, TRUE);
  gst_harness_set_upstream_latency(harness_, 20 * GST_MSECOND);
  send_caps(GST_VIDEO_FORMAT_RGB, 64, 48);
  GstQuery* query = gst_query_new_latency();
  ASSERT_TRUE(gst_pad_peer_query(harness_->sinkpad, query));
  gboolean live = FALSE;
  GstClockTime least = 0, most = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  EXPECT_TRUE(live);
  EXPECT_GT(least, 90 * GST_MSECOND) << "and what a batch takes";
  EXPECT_GE(most, 10 * 40 * GST_MSECOND);
  gst_query_unref(query);
}

GstFlowReturn refuse(GstPad*, GstObject*, GstBuffer* buffer) {
  gst_buffer_unref(buffer);
  return GST_FLOW_CUSTOM_ERROR;
}

TEST_F(ResnetClassify, DownstreamsFlowReachesUpstream) {
  open();
  gst_pad_set_chain_function(harness_->sinkpad, refuse);
  GstFlowReturn flow = GST_FLOW_OK;
  for (int i = 0; i < 1000 && flow == GST_FLOW_OK; ++i) {
    flow = gst_harness_push(harness_, frame(i));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(flow, GST_FLOW_CUSTOM_ERROR);
}

}  // namespace
}  // namespace resnet
