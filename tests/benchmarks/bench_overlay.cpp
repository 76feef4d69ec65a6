// bench-overlay: three classes drawn on a frame. "same": the frame shows what the last one did, so the
// bitmaps are kept; "changing": each has other probabilities, so they are drawn anew.
#include <string>

#include <benchmark/benchmark.h>
#include <gst/video/video.h>

#include "plugin/overlay.h"

namespace resnet {
namespace {

struct Size {
  int width, height;
};

void draw(benchmark::State& state, GstVideoFormat format, Size size, bool changing) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, format, static_cast<guint>(size.width), static_cast<guint>(size.height));
  Overlay overlay;
  overlay.set_format(info, /*attach=*/false);
  GstBuffer* frame = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
  gst_buffer_memset(frame, 0, 128, GST_VIDEO_INFO_SIZE(&info));
  OverlayContent content;
  content.lines = {{"dandelion", 0.75, 0}, {"sunflowers", 0.2, 1}, {"tulips", 0.05, 2}};
  while (state.KeepRunning()) {
    if (changing) content.lines[0].probability = content.lines[0].probability > 0.7 ? 0.6 : 0.8;
    if (!overlay.draw(frame, content)) state.SkipWithError("nothing was drawn");
  }
  gst_buffer_unref(frame);
}

void add(GstVideoFormat format, Size size, bool changing) {
  const std::string name = std::string(changing ? "changing/" : "same/") +
                           gst_video_format_to_string(format) + "/" + std::to_string(size.width) + "x" +
                           std::to_string(size.height);
  benchmark::RegisterBenchmark(name.c_str(), draw, format, size, changing)->Unit(benchmark::kMicrosecond);
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  for (const resnet::Size size : {resnet::Size{640, 360}, {1280, 720}, {1920, 1080}}) {
    for (const GstVideoFormat format : {GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_RGB}) {
      for (const bool changing : {false, true}) resnet::add(format, size, changing);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
