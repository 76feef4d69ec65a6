#ifndef RESNET_PLUGIN_CLASSIFY_STATE_H
#define RESNET_PLUGIN_CLASSIFY_STATE_H

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include <gst/video/video.h>

#include "plugin/batch_timer.h"
#include "plugin/classify_job.h"
#include "plugin/classify_queue.h"
#include "plugin/classify_settings.h"
#include "plugin/classify_statistics.h"
#include "plugin/overlay.h"
#include "plugin/region_choice.h"
#include "plugin/region_tracker.h"
#include "plugin/result_tracker.h"

GST_DEBUG_CATEGORY_EXTERN(resnet_classify_debug);

namespace resnet {

/// All of a resnetclassify's C++ state.
struct ClassifyState {
  std::mutex settings_mutex;
  ClassifySettings settings;     // guarded by settings_mutex
  bool settings_opened = false;  // guarded by settings_mutex: the model was opened with them

  ClassifyQueue queue;  // outlives the models, which tell it of results
  ClassifyJobPool jobs;
  ClassifyStatistics statistics;

  std::mutex model_mutex;                 // guards the next four
  std::shared_ptr<OpenModel> model;       // null below READY
  std::shared_ptr<OpenModel> next_model;  // loaded while PLAYING; takes over before the next frame
  bool takes_models = false;              // from PAUSED on
  guint64 model_serial = 0;               // of the last one asked for

  // Set when the model is opened, which is when no streaming thread runs.
  unsigned batch_size = 1;
  std::atomic<unsigned> max_in_flight{1};  // LATENCY queries come at any time
  GstClockTime batch_timeout = 0;

  std::atomic<bool> playing{false};
  std::atomic<bool> live{false};                // said the last LATENCY query
  std::atomic<GstClockTime> batch_time{0};      // that the current model takes for a full batch, at most
  std::atomic<GstClockTime> seen_latency{0};    // what frames were seen to take, and some more; 0: none came
  std::atomic<GstClockTime> frame_duration{0};  // 0: not known
  std::atomic<GstClockTime> earliest_time{GST_CLOCK_TIME_NONE};  // running time before which frames are late
  BatchTimer timer{[this](GstClockTime now) { return send_expired_batch(now); }};

  /// The sink pad's streaming thread's.
  struct Input {
    GstVideoInfo info{};
    bool have_caps = false;
    Orientation orientation = Orientation::identity;  // by the stream's tags
    GstSegment segment{};
    guint64 frames = 0;  // since the segment began
    GstClockTime last_pts = GST_CLOCK_TIME_NONE;
    RegionChoice regions;
    std::size_t first_region = 0;      // with which the next frame begins: the network had no room for it
    std::shared_ptr<OpenModel> model;  // that regions were given to
  } input;

  /// A frame that left before its results were there.
  struct LateJob {
    std::shared_ptr<ClassifyJob> job;
    GstClockTime pts = GST_CLOCK_TIME_NONE;
  };

  /// The source pad's task's; others touch it only while that does not run.
  struct Output {
    Overlay overlay;
    OverlayContent shown;         // kept for its memory
    bool ask_downstream = false;  // caps are new: `overlay` has to negotiate
    GstSegment segment{};
    ResultTracker tracker;
    RegionTracker regions;
    std::shared_ptr<OpenModel> model;          // of the last frame
    std::shared_ptr<OpenModel> tracked_model;  // whose result the tracker holds
    std::shared_ptr<GstBuffer> features;       // of that result; null: it has none
    std::deque<LateJob> late;
    std::string announced;  // the class of the last message on change
    bool has_announced = false;
    guint64 stats_posted = 0;  // by steady_time()
    guint64 exit_time = 0;     // when the last frame would have left had downstream held nothing up
    GstClockTime longest_latency = 0;
    unsigned latencies = 0;  // that longest_latency is of

    void reset();
    /// The model that results are of from now on: those of another one say nothing any more.
    void take_model(const std::shared_ptr<OpenModel>& taken);
    void forget_results();
  } output;

  ClassifySettings::Frame frame_settings();
  /// Pictures of a live source that may wait for the network: as many as it does in the time of a frame,
  /// which is one at least. More would be longer behind the source, and a processor gains little from large
  /// batches.
  unsigned most_waiting() const;
  /// The longest that a live source's frame is inside, which is let go when the queue is full;
  /// GST_CLOCK_TIME_NONE: not known, or without `qos` it is not.
  GstClockTime most_latency(const ClassifySettings::Frame& frame) const;
  /// What LATENCY queries are told of the element itself: what frames were seen to take, and before that a
  /// wait for company, for the network and for the run.
  GstClockTime latency(const ClassifySettings::Frame& frame) const;
  std::shared_ptr<OpenModel> current_model();
  /// The frames that wait for company go now.
  void send_batch();

 private:
  // The timer's: sends the batch whose first frame has waited long enough. @return when the next one has
  GstClockTime send_expired_batch(GstClockTime now);
};

}  // namespace resnet

#endif
