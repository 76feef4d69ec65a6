// bench-preprocess: pixels to network input, beside what a pipeline without the element would do for it:
// videoconvert and videoscale (GstVideoConverter, as both use it) and normalisation to float in a plain loop.
// Prints the median time of each and their ratio, of rounds that take turns.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include <gst/video/video.h>

#include "model/preprocess.h"
#include "plugin/frame_image.h"

namespace resnet {
namespace {

constexpr int rounds = 60;
const Preprocessing preprocessing;  // Resize(256), CenterCrop(224)

using Clock = std::chrono::steady_clock;

double milliseconds(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + rounds / 2, values.end());
  return values[rounds / 2];
}

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

void compare(GstVideoFormat format, int width, int height) {
  const Frame frame(format, width, height);
  Peer peer(frame);
  Preprocessor preprocessor(preprocessing, TensorType::fp32, TensorLayout::hwc);
  const Image image = frame_image(frame.mapped);
  std::vector<float> out(std::size_t{3} * 224 * 224);
  std::vector<double> ours, theirs;
  for (int i = 0; i < rounds; ++i) {
    ours.push_back(milliseconds([&] { preprocessor.run(image, out.data()); }));
    theirs.push_back(milliseconds([&] { peer.run(frame, out.data()); }));
  }
  std::printf("%-5s %4dx%-4d  %7.3f ms, videoconvert + videoscale + float %7.3f ms: %5.2f times as fast\n",
              gst_video_format_to_string(format), width, height, median(ours), median(theirs),
              median(theirs) / median(ours));
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  for (const auto& [width, height] : {std::pair{640, 360}, {1280, 720}, {1920, 1080}}) {
    for (const GstVideoFormat format : {GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_YUY2,
                                        GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_BGRx}) {
      resnet::compare(format, width, height);
    }
  }
  return 0;
}
