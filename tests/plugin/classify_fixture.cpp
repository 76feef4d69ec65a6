#include "tests/plugin/classify_fixture.h"

#include <chrono>
#include <cmath>
#include <numeric>

#include <ATen/Context.h>
#include <torch/utils.h>

#include "model/executor.h"
#include "model/model_file.h"
#include "model/preprocess.h"
#include "plugin/frame_image.h"

namespace resnet {

namespace {

const Preprocessing test_preprocessing = Preprocessing::for_image_size(32);

}  // namespace

const ResNet& test_network() {
  static const ResNet network = [] {
    at::manual_seed(7);
    return make_network(test_architecture, static_cast<int>(test_classes.size()));
  }();
  return network;
}

std::filesystem::path test_model(int image_size) {
  static const TemporaryFolder folder;
  const std::filesystem::path path =
      folder / (image_size == 32 ? "flowers.pth" : "flowers" + std::to_string(image_size) + ".pth");
  if (!std::filesystem::exists(path)) {
    ModelInfo info;
    info.classes = test_classes;
    info.preprocessing = Preprocessing::for_image_size(image_size);
    save_model(path, test_network(), info);
  }
  return path;
}

std::vector<double> expected_probabilities(const GstVideoInfo& info, GstBuffer* frame,
                                           Orientation orientation) {
  GstVideoInfo copy = info;
  GstVideoFrame mapped;
  if (!gst_video_frame_map(&mapped, &copy, frame, GST_MAP_READ)) return {};
  const auto executor = make_reference_executor(test_network());
  const at::Tensor input = executor->make_input(1, test_preprocessing.crop_size);
  Image image = frame_image(mapped);
  image.orientation = orientation;
  Preprocessor(test_preprocessing, TensorType::fp32, TensorLayout::chw).run(image, input.data_ptr());
  gst_video_frame_unmap(&mapped);
  const at::Tensor logits = executor->run(input).logits;
  std::vector<double> probabilities(test_classes.size());
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    probabilities[i] = std::exp(static_cast<double>(logits.const_data_ptr<float>()[i]));
  }
  const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  for (double& probability : probabilities) probability /= sum;
  return probabilities;
}

GstPadProbeReturn ResnetClassify::note(GstPad*, GstPadProbeInfo* info, gpointer data) {
  auto* self = static_cast<ResnetClassify*>(data);
  std::string what;
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    what = "frame " + std::to_string(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)) / (40 * GST_MSECOND));
  } else {
    GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START || GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
      return GST_PAD_PROBE_OK;
    }
    what = GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM ? "custom" : GST_EVENT_TYPE_NAME(event);
  }
  const std::lock_guard lock(self->mutex_);
  self->passed_.push_back(what);
  self->changed_.notify_all();
  return GST_PAD_PROBE_OK;
}

void ResnetClassify::make(const Properties& properties) {
  GstElement* element = gst_element_factory_make("resnetclassify", nullptr);
  ASSERT_NE(element, nullptr);
  g_object_set(element, "model", test_model().c_str(), "overlay", FALSE, nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "precision", "fp32");
  for (const auto& [name, value] : properties) {
    gst_util_set_object_arg(G_OBJECT(element), name.c_str(), value.c_str());
  }
  harness_ = gst_harness_new_with_element(element, "sink", "src");
  gst_object_unref(element);
  gst_pad_add_probe(
      harness_->sinkpad,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                   GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      note, this, nullptr);
}

void ResnetClassify::send_caps(GstVideoFormat format, int width, int height) {
  info_ = video_info(format, static_cast<guint>(width), static_cast<guint>(height));
  gst_harness_set_src_caps_str(harness_, caps_text(format, width, height).c_str());
}

void ResnetClassify::open(const Properties& properties, GstVideoFormat format, int width, int height) {
  make(properties);
  ASSERT_NE(harness_, nullptr);
  send_caps(format, width, height);
}

void ResnetClassify::open_live(const Properties& properties, GstVideoFormat format, int width, int height) {
  make(properties);
  gst_harness_set_live(harness_, TRUE);
  send_caps(format, width, height);
  GstQuery* query = gst_query_new_latency();
  EXPECT_TRUE(gst_pad_peer_query(harness_->sinkpad, query));
  gst_query_unref(query);
}

guint64 ResnetClassify::stat(const char* name) const {
  GstStructure* stats = nullptr;
  guint64 value = 0;
  g_object_get(element(), "stats", &stats, nullptr);
  EXPECT_TRUE(gst_structure_get_uint64(stats, name, &value)) << name;
  gst_structure_free(stats);
  return value;
}

void ResnetClassify::start_segment() {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness_, gst_event_new_segment(&segment));
}

void ResnetClassify::restart(GstVideoFormat format, int width, int height) {
  gst_element_set_state(element(), GST_STATE_NULL);
  gst_element_set_state(element(), GST_STATE_PLAYING);
  gst_harness_push_event(harness_, gst_event_new_stream_start("again"));
  send_caps(format, width, height);
  start_segment();
}

void ResnetClassify::TearDown() {
  if (harness_ != nullptr) gst_harness_teardown(harness_);
  harness_ = nullptr;
}

GstBuffer* ResnetClassify::frame(int number) {
  GstBuffer* buffer = new_frame(info_, 0, number);
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_WRITE);
  std::uint32_t state = static_cast<std::uint32_t>(number) * 7919 + 17;
  for (gsize i = 0; i < map.size; ++i) {
    state = state * 1664525 + 1013904223;
    // Each frame has a brightness of its own, so that the network does not say the same to all.
    map.data[i] = static_cast<guint8>((state >> 24) / 4 + static_cast<unsigned>(number) * 37 % 192);
  }
  gst_buffer_unmap(buffer, &map);
  return buffer;
}

std::vector<std::string> ResnetClassify::passed() {
  const std::lock_guard lock(mutex_);
  return passed_;
}

std::vector<std::string> ResnetClassify::wait_until_passed(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(20), [&] { return passed_.size() >= count; });
  return passed_;
}

}  // namespace resnet
