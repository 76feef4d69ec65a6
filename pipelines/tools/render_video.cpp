// render-video: turns a folder of labelled pictures into a short WebM video that pans slowly over one picture
// after the other and cross-fades between them.
//
//   render-video FOLDER flowers.webm --per-class 3        FOLDER/CLASS/picture.jpg, as ImageFolder has it
//
// Beside the video it writes flowers.csv with the true class of every stretch: start,end (seconds),class.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace {

struct Options {
  std::filesystem::path folder, video;
  int per_class = 3;
  double seconds = 1.2;
  int fps = 25;
  int width = 640, height = 480;
};

struct Shot {
  std::filesystem::path path;
  std::string label;
};

/// Pictures of every class in turn, spread evenly over each class's folder.
std::vector<Shot> choose_shots(const Options& options) {
  std::vector<std::vector<Shot>> classes;
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(options.folder)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const auto& folder : folders) {
    std::vector<Shot> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file() && cv::haveImageReader(entry.path().string())) {
        all.push_back({entry.path(), folder.filename().string()});
      }
    }
    std::sort(all.begin(), all.end(), [](const Shot& a, const Shot& b) { return a.path < b.path; });
    std::vector<Shot> chosen;
    const std::size_t count = std::min(all.size(), static_cast<std::size_t>(options.per_class));
    for (std::size_t i = 0; i < count; ++i) chosen.push_back(all[(2 * i + 1) * all.size() / (2 * count)]);
    if (!chosen.empty()) classes.push_back(chosen);
  }
  if (classes.empty()) {
    throw std::runtime_error(options.folder.string() + " has no pictures: expected FOLDER/CLASS/picture.jpg");
  }
  std::vector<Shot> shots;
  for (std::size_t i = 0; i < static_cast<std::size_t>(options.per_class); ++i) {
    for (const auto& one : classes) {
      if (i < one.size()) shots.push_back(one[i]);
    }
  }
  return shots;
}

cv::Mat scaled(const cv::Mat& picture, double scale) {
  const cv::Size size(std::max(1, static_cast<int>(std::lround(picture.cols * scale))),
                      std::max(1, static_cast<int>(std::lround(picture.rows * scale))));
  cv::Mat result;
  cv::resize(picture, result, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  return result;
}

/// The whole picture on a blurred copy of itself, at the video's size.
cv::Mat compose(const Shot& shot, const Options& options) {
  const cv::Mat picture = cv::imread(shot.path.string(), cv::IMREAD_COLOR);
  if (picture.empty()) throw std::runtime_error("cannot read the picture " + shot.path.string());
  const double across = static_cast<double>(options.width) / picture.cols;
  const double down = static_cast<double>(options.height) / picture.rows;
  const cv::Mat cover = scaled(picture, std::max(across, down) + 1e-3);
  cv::Mat frame;
  cv::GaussianBlur(cover(cv::Rect((cover.cols - options.width) / 2, (cover.rows - options.height) / 2,
                                  options.width, options.height)),
                   frame, cv::Size(0, 0), 14);
  const cv::Mat whole = scaled(picture, std::min(across, down));
  const cv::Rect place((options.width - whole.cols) / 2, (options.height - whole.rows) / 2,
                       std::min(whole.cols, options.width), std::min(whole.rows, options.height));
  whole(cv::Rect(0, 0, place.width, place.height)).copyTo(frame(place));
  return frame;
}

/// A slow zoom: t runs from 0 to 1 over the shot.
cv::Mat zoomed(const cv::Mat& frame, double t) {
  const double zoom = 1 + 0.12 * t;
  const cv::Mat transform = (cv::Mat_<double>(2, 3) << zoom, 0, frame.cols * (1 - zoom) / 2,  //
                             0, zoom, frame.rows * (1 - zoom) / 2);
  cv::Mat result;
  cv::warpAffine(frame, result, transform, frame.size(), cv::INTER_LINEAR, cv::BORDER_REPLICATE);
  return result;
}

struct ElementDeleter {
  void operator()(GstElement* element) const {
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(element);
  }
};

/// BGR frames to a VP8 file.
class Encoder {
 public:
  explicit Encoder(const Options& options) : frame_duration_(GST_SECOND / static_cast<guint64>(options.fps)) {
    GError* error = nullptr;
    pipeline_.reset(gst_parse_launch(
        "appsrc name=source format=time block=true max-bytes=20000000 ! videoconvert ! "
        "vp8enc deadline=1 cpu-used=6 threads=2 target-bitrate=2500000 keyframe-max-dist=50 ! "
        "webmmux ! filesink name=sink",
        &error));
    if (error != nullptr) {
      const std::string message = error->message;
      g_error_free(error);
      throw std::runtime_error("cannot build the encoder: " + message);
    }
    const std::unique_ptr<GstElement, decltype(&gst_object_unref)> sink(
        gst_bin_get_by_name(GST_BIN(pipeline_.get()), "sink"), gst_object_unref);
    g_object_set(sink.get(), "location", options.video.c_str(), nullptr);
    source_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "source"));
    const std::unique_ptr<GstCaps, decltype(&gst_caps_unref)> caps(
        gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "BGR", "width", G_TYPE_INT, options.width,
                            "height", G_TYPE_INT, options.height, "framerate", GST_TYPE_FRACTION, options.fps,
                            1, nullptr),
        gst_caps_unref);
    gst_app_src_set_caps(GST_APP_SRC(source_.get()), caps.get());
    if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) fail();
  }

  void add(const cv::Mat& frame) {
    const std::size_t row = static_cast<std::size_t>(frame.cols) * 3;
    const std::size_t stride = (row + 3) / 4 * 4;  // GStreamer's default for BGR
    GstBuffer* buffer =
        gst_buffer_new_allocate(nullptr, stride * static_cast<std::size_t>(frame.rows), nullptr);
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    for (int y = 0; y < frame.rows; ++y) {
      std::memcpy(map.data + static_cast<std::size_t>(y) * stride, frame.ptr(y), row);
    }
    gst_buffer_unmap(buffer, &map);
    GST_BUFFER_PTS(buffer) = count_++ * frame_duration_;
    GST_BUFFER_DURATION(buffer) = frame_duration_;
    if (gst_app_src_push_buffer(GST_APP_SRC(source_.get()), buffer) != GST_FLOW_OK) fail();
  }

  void finish() {
    gst_app_src_end_of_stream(GST_APP_SRC(source_.get()));
    fail();
  }

 private:
  /// Waits for the end; throws the pipeline's error if that comes first.
  void fail() {
    const std::unique_ptr<GstBus, decltype(&gst_object_unref)> bus(gst_element_get_bus(pipeline_.get()),
                                                                   gst_object_unref);
    const std::unique_ptr<GstMessage, decltype(&gst_message_unref)> message(
        gst_bus_timed_pop_filtered(bus.get(), GST_CLOCK_TIME_NONE,
                                   static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)),
        gst_message_unref);
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS) return;
    GError* error = nullptr;
    gst_message_parse_error(message.get(), &error, nullptr);
    const std::string text = error->message;
    g_error_free(error);
    throw std::runtime_error(text);
  }

  std::unique_ptr<GstElement, ElementDeleter> pipeline_;
  std::unique_ptr<GstElement, decltype(&gst_object_unref)> source_{nullptr, gst_object_unref};
  GstClockTime frame_duration_;
  guint64 count_ = 0;
};

void render(const Options& options) {
  const std::vector<Shot> shots = choose_shots(options);
  std::filesystem::path truth_path = options.video;
  std::ofstream truth(truth_path.replace_extension(".csv"));
  truth << "start,end,class\n";
  Encoder encoder(options);
  const int length = std::max(2, static_cast<int>(std::lround(options.seconds * options.fps)));
  const int fade = length / 5;
  cv::Mat current = compose(shots[0], options);
  for (std::size_t i = 0; i < shots.size(); ++i) {
    const cv::Mat next = i + 1 < shots.size() ? compose(shots[i + 1], options) : cv::Mat();
    for (int n = 0; n < length; ++n) {
      cv::Mat frame = zoomed(current, static_cast<double>(n) / length);
      const int into_fade = n - (length - fade);
      if (into_fade >= 0 && !next.empty()) {
        const double weight = (into_fade + 1.0) / (fade + 1.0);
        cv::addWeighted(frame, 1 - weight, next, weight, 0, frame);
      }
      encoder.add(frame);
    }
    // The first half of the fade still shows the old flower, the second the new one.
    const double begin = static_cast<double>(i) * length - (i > 0 ? fade / 2.0 : 0.0);
    const double end = static_cast<double>(i + 1) * length - (next.empty() ? 0.0 : fade / 2.0);
    truth << begin / options.fps << ',' << end / options.fps << ',' << shots[i].label << '\n';
    current = next;
  }
  encoder.finish();
  truth.flush();
  if (!truth) throw std::runtime_error("cannot write " + truth_path.string());
  std::printf("%s: %zu pictures, %.1f s\n", options.video.c_str(), shots.size(),
              static_cast<double>(shots.size()) * length / options.fps);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Renders a video from a folder of labelled pictures."};
  app.add_option("FOLDER", options.folder, "FOLDER/CLASS/pictures")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("VIDEO", options.video, "the WebM file to write; the true classes go beside it as .csv")
      ->required();
  app.add_option("--per-class", options.per_class, "pictures of each class")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "per picture")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  app.add_option("--fps", options.fps, "frames per second")->check(CLI::Range(1, 120))->capture_default_str();
  app.add_option("--width", options.width, "of the video")
      ->check(CLI::Range(16, 3840))
      ->capture_default_str();
  app.add_option("--height", options.height, "of the video")
      ->check(CLI::Range(16, 2160))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  gst_init(nullptr, nullptr);
  try {
    render(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "render-video: %s\n", error.what());
    return 1;
  }
  return 0;
}
