// bench-preprocess: pixels to the bytes that a network on the CPU takes ("resnetclassify"), beside what a
// pipeline without the element would do for it ("videoconvert"): videoconvert and videoscale
// (GstVideoConverter, as both use it) and normalisation to float in a plain loop.
//
//   bench-preprocess --benchmark_filter=NV12 --benchmark_enable_random_interleaving --benchmark_repetitions=5
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <gst/video/video.h>

#include "model/preprocess.h"
#include "plugin/frame_image.h"

namespace resnet {
namespace {

const Preprocessing preprocessing;  // Resize(256), CenterCrop(224)
constexpr std::size_t output_size = std::size_t{3} * 224 * 224;

/// A frame of noise, mapped.
struct Frame {
  GstVideoInfo info{};
  GstVideoFrame mapped;

  Frame(GstVideoFormat format, int width, int height) {
    gst_video_info_set_format(&info, format, static_cast<guint>(width), static_cast<guint>(height));
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
    gst_video_frame_map(&mapped, &info, buffer, GST_MAP_READWRITE);
    gst_buffer_unref(buffer);
    auto* bytes = static_cast<guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&mapped, 0));
    for (gsize i = 0; i < GST_VIDEO_INFO_SIZE(&info); ++i)
      bytes[i] = static_cast<guint8>(i * 2654435761U >> 13);
  }
  ~Frame() { gst_video_frame_unmap(&mapped); }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
};

/// videoconvert ! videoscale, and the crop as floats.
class Peer {
 public:
  explicit Peer(const Frame& from)
      : rgb_(GST_VIDEO_FORMAT_RGB, from.info.width, from.info.height),
        small_(GST_VIDEO_FORMAT_RGB, from.info.width * 256 / from.info.height, 256),
        convert_(gst_video_converter_new(&from.info, &rgb_.info, nullptr)),
        scale_(gst_video_converter_new(&rgb_.info, &small_.info,
                                       gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD,
                                                         GST_TYPE_VIDEO_RESAMPLER_METHOD,
                                                         GST_VIDEO_RESAMPLER_METHOD_LINEAR, nullptr))) {}
  ~Peer() {
    gst_video_converter_free(convert_);
    gst_video_converter_free(scale_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void run(const Frame& from, float* out) {
    gst_video_converter_frame(convert_, &from.mapped, &rgb_.mapped);
    gst_video_converter_frame(scale_, &rgb_.mapped, &small_.mapped);
    const int left = (small_.info.width - 224) / 2, top = (small_.info.height - 224) / 2;
    for (int y = 0; y < 224; ++y) {
      const auto* row = static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&small_.mapped, 0)) +
                        (top + y) * GST_VIDEO_FRAME_PLANE_STRIDE(&small_.mapped, 0) + 3 * left;
      for (int i = 0; i < 224 * 3; ++i) {
        const auto channel = static_cast<std::size_t>(i % 3);
        *out++ =
            (static_cast<float>(row[i]) / 255.0F - preprocessing.mean[channel]) / preprocessing.std[channel];
      }
    }
  }

 private:
  Frame rgb_, small_;
  GstVideoConverter *convert_, *scale_;
};

struct Size {
  int width, height;
};

/// More frames than a core's caches hold: those of a video come from memory.
class Video {
 public:
  Video(GstVideoFormat format, Size size) {
    for (std::unique_ptr<Frame>& frame : frames_)
      frame = std::make_unique<Frame>(format, size.width, size.height);
  }
  const Frame& next() { return *frames_.at(count_++ % frames_.size()); }

 private:
  std::array<std::unique_ptr<Frame>, 16> frames_;
  std::size_t count_ = 0;
};

void ours(benchmark::State& state, GstVideoFormat format, Size size) {
  Video video(format, size);
  Preprocessor preprocessor(preprocessing, TensorType::u8, TensorLayout::hwc);
  std::vector<std::uint8_t> out(output_size);
  while (state.KeepRunning()) preprocessor.run(frame_image(video.next().mapped), out.data());
}

void theirs(benchmark::State& state, GstVideoFormat format, Size size) {
  Video video(format, size);
  Peer peer(video.next());
  std::vector<float> out(output_size);
  while (state.KeepRunning()) peer.run(video.next(), out.data());
}

void add(const char* who, void (*run)(benchmark::State&, GstVideoFormat, Size), GstVideoFormat format,
         Size size) {
  const std::string name = std::string(who) + "/" + gst_video_format_to_string(format) + "/" +
                           std::to_string(size.width) + "x" + std::to_string(size.height);
  benchmark::RegisterBenchmark(name.c_str(), run, format, size)->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  for (const resnet::Size size : {resnet::Size{640, 360}, {1280, 720}, {1920, 1080}}) {
    for (const GstVideoFormat format :
         {GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_Y444,
          GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_I420_10LE, GST_VIDEO_FORMAT_RGB,
          GST_VIDEO_FORMAT_BGRx}) {
      resnet::add("resnetclassify", resnet::ours, format, size);
      resnet::add("videoconvert", resnet::theirs, format, size);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
