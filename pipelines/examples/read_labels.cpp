// Prints the best class whenever it changes, and how long it was there, from a pipeline that ends in an
// appsink named "sink":
//
//   read-labels-cpp 'filesrc location=flowers.webm ! decodebin ! resnetclassify model=flowers.pth ! appsink
//   name=sink'
//
// Outside this project: c++ read_labels.cpp $(pkg-config --cflags --libs gst-resnet-meta gstreamer-app-1.0)
#include <iostream>
#include <memory>
#include <string>

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gstresnetmeta.h>

namespace {

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GError* error) const { g_error_free(error); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

std::string best_label(GstBuffer* buffer) {
  const GstStructure* result = gst_buffer_get_resnet_classification(buffer);
  if (result == nullptr) return "not classified";
  const gchar* label = nullptr;
  if (!gst_resnet_classification_get_class(result, 0, nullptr, &label, nullptr)) return "none of these";
  return label;
}

void print_changes(GstAppSink* sink) {
  std::string shown;
  while (const Owned<GstSample> sample{gst_app_sink_pull_sample(sink)}) {
    GstBuffer* buffer = gst_sample_get_buffer(sample.get());
    const std::string label = best_label(buffer);
    if (label == shown) continue;
    shown = label;
    std::cout << static_cast<double>(GST_BUFFER_PTS(buffer)) / GST_SECOND << " s " << label << '\n';
  }
}

/// @return whether the pipeline has posted an error, after printing it
bool failed(GstElement* pipeline) {
  const Owned<GstBus> bus{gst_element_get_bus(pipeline)};
  const Owned<GstMessage> message{gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR)};
  if (!message) return false;
  GError* error = nullptr;
  gst_message_parse_error(message.get(), &error, nullptr);
  const Owned<GError> owned{error};
  std::cerr << GST_OBJECT_NAME(GST_MESSAGE_SRC(message.get())) << ": " << error->message << '\n';
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " 'PIPELINE ! appsink name=sink'\n";
    return 2;
  }
  GError* error = nullptr;
  const Owned<GstElement> pipeline{
      gst_parse_launch_full(argv[1], nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error)};
  if (!pipeline) {
    const Owned<GError> owned{error};
    std::cerr << error->message << '\n';
    return 1;
  }
  const Owned<GstElement> sink{
      GST_IS_BIN(pipeline.get()) ? gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink") : nullptr};
  if (!sink || !GST_IS_APP_SINK(sink.get())) {
    std::cerr << "The pipeline has no appsink named \"sink\".\n";
    return 1;
  }
  // Pulled frames are as many as come, no more than this wait meanwhile.
  g_object_set(sink.get(), "max-buffers", 4u, "sync", FALSE, nullptr);
  const bool started = gst_element_set_state(pipeline.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  // On an error no frame comes any more; an appsink only wakes up when it is stopped.
  const Owned<GstBus> bus{gst_element_get_bus(pipeline.get())};
  gst_bus_set_sync_handler(
      bus.get(),
      [](GstBus*, GstMessage* message, gpointer data) {
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
          gst_element_call_async(
              static_cast<GstElement*>(data),
              [](GstElement* e, gpointer) { gst_element_set_state(e, GST_STATE_READY); }, nullptr, nullptr);
        }
        return GST_BUS_PASS;
      },
      pipeline.get(), nullptr);
  if (started) print_changes(GST_APP_SINK(sink.get()));
  const bool bad = failed(pipeline.get());
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return bad || !started ? 1 : 0;
}
