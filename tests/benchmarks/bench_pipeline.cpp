// bench-pipeline: frames/s through appsrc ! resnetclassify ! fakesink, fed with frames that are in memory
// already, as fast as the element takes them or at a camera's rate. In turns as turns.h says them.
//
//   echo go 2 | bench-pipeline "resnetclassify model=resnet34.pth precision=bf16 overlay=false qos=false"
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>

#include "tests/benchmarks/turns.h"

namespace resnet {
namespace {

struct Options {
  std::string element;  ///< between appsrc and fakesink; empty: nothing
  int width = 1280, height = 720;
  std::string format = "NV12";
  int streams = 1;
  double fps = 0;  ///< 0: as fast as they are taken
};

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Frames that have come out, of all streams.
class Arrivals {
 public:
  struct Moment {
    std::uint64_t frames = 0;
    BenchmarkClock::time_point time{};
    double processor = 0;
  };

  void add() {
    {
      const std::lock_guard lock(mutex_);
      ++frames_;
      if (frames_ != wanted_) return;
      reached_ = {frames_, BenchmarkClock::now(), processor_seconds()};
    }
    changed_.notify_all();
  }

  /// The next arrival: with batches, most likely the first frame of one.
  Moment next() {
    return wait_for([](std::uint64_t frames) { return frames + 1; });
  }

  void wait_until(std::uint64_t total) {
    wait_for([total](std::uint64_t frames) { return std::max(frames, total); });
  }

 private:
  Moment wait_for(const std::function<std::uint64_t(std::uint64_t frames)>& wanted) {
    std::unique_lock lock(mutex_);
    wanted_ = wanted(frames_);
    if (!changed_.wait_for(lock, std::chrono::seconds(60), [&] { return frames_ >= wanted_; }))
      throw std::runtime_error("no frame came out of the pipeline for a minute");
    return reached_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t frames_ = 0, wanted_ = 0;  // guarded by mutex_, as is
  Moment reached_;                         // what was wanted
};

/// Gives the same few pictures again and again, without a copy, while it is told to: in the source's own
/// streaming thread when it has none left, so that the benchmark takes no core from the pipeline.
class Feeder {
 public:
  Feeder(GstElement* source, const GstVideoInfo& info, double fps) : source_(GST_APP_SRC(source)), fps_(fps) {
    for (unsigned picture = 0; picture < 4; ++picture) {
      GstMemory* memory = gst_allocator_alloc(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
      GstMapInfo map;
      gst_memory_map(memory, &map, GST_MAP_WRITE);
      for (gsize i = 0; i < map.size; ++i)
        map.data[i] = static_cast<guint8>((i + picture * 977) * 2654435761U >> 13);
      gst_memory_unmap(memory, &map);
      pictures_.push_back(memory);
    }
    GstAppSrcCallbacks callbacks{};
    callbacks.need_data = [](GstAppSrc*, guint, gpointer feeder) {
      static_cast<Feeder*>(feeder)->push_in_time();
    };
    gst_app_src_set_callbacks(source_, &callbacks, this, nullptr);
  }
  /// The source must have stopped.
  ~Feeder() {
    for (GstMemory* memory : pictures_) gst_memory_unref(memory);
    gst_object_unref(source_);
  }
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  void start() {
    next_ = BenchmarkClock::now();
    {
      const std::lock_guard lock(mutex_);
      feeding_ = true;
    }
    push();  // what needed data was told that there is none
  }
  /// @return how many were pushed
  std::uint64_t stop() {
    const std::lock_guard lock(mutex_);
    feeding_ = false;
    return pushed_;
  }

 private:
  void push_in_time() {
    if (fps_ > 0) {
      next_ += std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / fps_));
      std::this_thread::sleep_until(next_);
    }
    push();
  }

  void push() {
    const std::lock_guard lock(mutex_);
    if (!feeding_) return;
    GstBuffer* buffer = gst_buffer_new();
    gst_buffer_append_memory(buffer, gst_memory_ref(pictures_[pushed_ % pictures_.size()]));
    GST_BUFFER_PTS(buffer) = pushed_ * GST_SECOND / 30;
    GST_BUFFER_DURATION(buffer) = GST_SECOND / 30;
    if (gst_app_src_push_buffer(source_, buffer) == GST_FLOW_OK) ++pushed_;
  }

  GstAppSrc* source_;
  const double fps_;
  std::vector<GstMemory*> pictures_;
  BenchmarkClock::time_point next_;  // of the source's thread, but for start()
  std::mutex mutex_;
  bool feeding_ = false;      // guarded by mutex_, as is
  std::uint64_t pushed_ = 0;  // what has been
};

class Pipeline {
 public:
  explicit Pipeline(const Options& options) {
    const std::string caps = "video/x-raw,format=" + options.format +
                             ",width=" + std::to_string(options.width) +
                             ",height=" + std::to_string(options.height) + ",framerate=30/1";
    std::string description;
    for (int i = 0; i < options.streams; ++i) {
      const std::string n = std::to_string(i);
      description += "appsrc name=source" + n + " format=time caps=" + caps + " ! " +
                     (options.element.empty() ? "" : options.element + " ! ") + "fakesink name=sink" + n +
                     " sync=false async=false ";
    }
    GError* error = nullptr;
    pipeline_ = gst_parse_launch_full(description.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    if (!pipeline_) {
      const std::string why = error->message;
      g_error_free(error);
      throw std::runtime_error(why);
    }
    GstVideoInfo info;
    gst_video_info_set_format(&info, gst_video_format_from_string(options.format.c_str()),
                              static_cast<guint>(options.width), static_cast<guint>(options.height));
    for (int i = 0; i < options.streams; ++i) {
      GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline_), ("sink" + std::to_string(i)).c_str());
      GstPad* pad = gst_element_get_static_pad(sink, "sink");
      gst_pad_add_probe(
          pad, GST_PAD_PROBE_TYPE_BUFFER,
          [](GstPad*, GstPadProbeInfo*, gpointer arrivals) {
            static_cast<Arrivals*>(arrivals)->add();
            return GST_PAD_PROBE_OK;
          },
          &arrivals_, nullptr);
      gst_object_unref(pad);
      gst_object_unref(sink);
      feeders_.push_back(std::make_unique<Feeder>(
          gst_bin_get_by_name(GST_BIN(pipeline_), ("source" + std::to_string(i)).c_str()), info,
          options.fps));
    }
    gst_element_set_state(pipeline_, GST_STATE_PLAYING);
    if (gst_element_get_state(pipeline_, nullptr, nullptr, 60 * GST_SECOND) != GST_STATE_CHANGE_SUCCESS) {
      const std::string why = first_error();
      close();
      throw std::runtime_error(why);
    }
  }
  ~Pipeline() { close(); }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// From an arrival to an arrival in the midst of the stream, so that a batch more or less does not count.
  nlohmann::json turn(double seconds) {
    for (const auto& feeder : feeders_) feeder->start();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const Arrivals::Moment first = arrivals_.next();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    const Arrivals::Moment last = arrivals_.next();
    std::uint64_t pushed = 0;
    for (const auto& feeder : feeders_) pushed += feeder->stop();
    arrivals_.wait_until(pushed);
    const auto frames = static_cast<double>(last.frames - first.frames);
    return {{"frames_per_s", frames / std::chrono::duration<double>(last.time - first.time).count()},
            {"frames", last.frames - first.frames},
            {"processor_s_per_frame", (last.processor - first.processor) / frames}};
  }

 private:
  std::string first_error() {
    GstBus* bus = gst_element_get_bus(pipeline_);
    std::string why = "the pipeline does not start";
    if (GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR)) {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      why = error->message;
      g_error_free(error);
      gst_message_unref(message);
    }
    gst_object_unref(bus);
    return why;
  }

  void close() {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    feeders_.clear();
    gst_object_unref(pipeline_);
  }

  GstElement* pipeline_ = nullptr;
  Arrivals arrivals_;
  std::vector<std::unique_ptr<Feeder>> feeders_;
};

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  resnet::Options options;
  CLI::App app("Frames/s through a pipeline; reads lines \"go SECONDS\"", "bench-pipeline");
  app.add_option("ELEMENT", options.element,
                 "resnetclassify with its properties; without it appsrc and fakesink alone");
  app.add_option("--width", options.width)->check(CLI::Range(1, 32768))->capture_default_str();
  app.add_option("--height", options.height)->check(CLI::Range(1, 32768))->capture_default_str();
  app.add_option("--format", options.format)->capture_default_str();
  app.add_option("--streams", options.streams, "Streams side by side")->check(CLI::Range(1, 1024));
  app.add_option("--fps", options.fps, "Frames/s that each stream is fed; 0: as fast as they are taken");
  CLI11_PARSE(app, argc, argv);
  return resnet::take_turns([&](nlohmann::json& description) -> resnet::Turn {
    const auto pipeline = std::make_shared<resnet::Pipeline>(options);
    description["description"] = options.element;
    return [pipeline](double seconds) { return pipeline->turn(seconds); };
  });
}
