// One allocation fails, whichever it is: the element says so or works, and works the next time.
#include <array>
#include <string>

#include "model/checkpoint.h"
#include "model/resnet.h"
#include "tests/plugin/classify_fixture.h"
#include "tests/plugin/fail_allocations.h"

namespace resnet {
namespace {

struct Outcome {
  bool started = false;
  int classified = 0;  ///< of three frames
  bool hit = false;    ///< there were so many allocations
  std::string error;   ///< on the bus
};

GstBusSyncReply keep_errors(GstBus*, GstMessage* message, gpointer) {
  return GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR ? GST_BUS_PASS : GST_BUS_DROP;
}

enum class From { start, start_without_json, frames };

/// The test model's tensors alone: nothing describes them.
std::filesystem::path plain_model() {
  static const TemporaryFolder folder;
  const std::filesystem::path path = folder / "plain.pth";
  if (!std::filesystem::exists(path)) write_pth(path, test_network()->state_dict(), nullptr);
  return path;
}

/// A start, three frames and a stop, with such an allocation failing, counted from there on.
Outcome run_once(From from, long failing) {
  GstElement* element = gst_element_factory_make("resnetclassify", nullptr);
  gst_object_ref_sink(element);
  const std::filesystem::path model = from == From::start_without_json ? plain_model() : test_model();
  g_object_set(element, "model", model.c_str(), "batch-size", 1, "threads", 1, "overlay", TRUE, nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "precision", "fp32");
  GstBus* bus = gst_bus_new();
  gst_bus_set_sync_handler(bus, keep_errors, nullptr, nullptr);
  gst_element_set_bus(element, bus);
  const GstVideoInfo info = video_info(GST_VIDEO_FORMAT_RGB, 64, 48);
  GstCaps* caps = gst_video_info_to_caps(&info);
  std::array<GstBuffer*, 3> in{}, out{};
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = new_frame(info, 100, static_cast<int>(i));
  std::size_t frames = 0;
  Outcome outcome;
  // From here on nothing of the test's own allocates.
  // The JSON library takes some memory where it lets go of a document, and ends the program without.
  constexpr std::size_t more_than_json = 512;
  if (from == From::start) fail_allocation(failing, more_than_json);
  if (from == From::start_without_json) fail_allocation(failing);
  outcome.started = gst_element_set_state(element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE;
  if (outcome.started) {
    GstHarness* harness = gst_harness_new_with_element(element, "sink", "src");
    gst_harness_set_src_caps(harness, gst_caps_ref(caps));
    if (from == From::frames) fail_allocation(failing);
    for (GstBuffer* buffer : in) {
      if (gst_harness_push(harness, gst_buffer_ref(buffer)) != GST_FLOW_OK) break;
    }
    gst_harness_push_event(harness, gst_event_new_eos());
    for (int waited = 0; frames < out.size() && waited < 20'000; ++waited) {
      if ((out[frames] = gst_harness_try_pull(harness)) != nullptr) {
        ++frames;
      } else if (gst_bus_have_pending(bus)) {
        break;
      } else {
        g_usleep(1000);
      }
    }
    gst_harness_teardown(harness);
  }
  outcome.hit = allocation_failed();
  fail_allocation(0);
  for (std::size_t i = 0; i < frames; ++i) {
    outcome.classified += read_classification_meta(out[i]) ? 1 : 0;
    gst_buffer_unref(out[i]);
  }
  for (GstBuffer* buffer : in) gst_buffer_unref(buffer);
  gst_caps_unref(caps);
  outcome.error = pop_message(bus).text;
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(element);
  return outcome;
}

class ClassifyOutOfMemory : public testing::TestWithParam<From> {};

TEST_P(ClassifyOutOfMemory, AnyAllocationMayFail) {
  const Outcome calm = run_once(GetParam(), 0);
  ASSERT_TRUE(calm.started) << calm.error;
  ASSERT_EQ(calm.classified, 3);
  int tries = 0, errors = 0;
  bool all = false;
  // Each of the first, then wider and wider apart.
  for (long number = 1; !all; number += 1 + number / 50) {
    SCOPED_TRACE("allocation " + std::to_string(number));
    const Outcome outcome = run_once(GetParam(), number);
    all = !outcome.hit;
    ++tries;
    if (!outcome.error.empty()) {
      ++errors;
      EXPECT_NE(outcome.error.find("memory"), std::string::npos) << outcome.error;
    } else if (!outcome.started || outcome.classified < 3) {
      ADD_FAILURE() << "no error, and " << outcome.classified << " frames";
    }
  }
  EXPECT_GT(errors, 10);
  EXPECT_EQ(run_once(GetParam(), 0).classified, 3);
  std::printf("%d allocations failed, %d errors\n", tries - 1, errors);
}

INSTANTIATE_TEST_SUITE_P(Stages, ClassifyOutOfMemory,
                         testing::Values(From::start, From::start_without_json, From::frames));

}  // namespace
}  // namespace resnet
