#include "plugin/classify_input.h"

#include <algorithm>
#include <utility>

#include "plugin/errors.h"
#include "plugin/frame_image.h"
#include "plugin/region_results.h"

#define GST_CAT_DEFAULT resnet_classify_debug

namespace resnet {

namespace {

using Kind = ClassifyJob::Kind;

// A model that was loaded meanwhile takes over; what waits for the old one is not to wait for company.
std::shared_ptr<OpenModel> take_model(ClassifyState& s) {
  std::shared_ptr<OpenModel> old;
  const std::lock_guard lock(s.model_mutex);
  if (s.next_model) {
    old = std::exchange(s.model, std::exchange(s.next_model, nullptr));
    old->stream->go();
    s.batch_time = s.model->batch_time;
  }
  return s.model;
}

bool is_late(const ClassifyState& s, GstBuffer* buffer) {
  const GstClockTime earliest = s.earliest_time;
  if (!GST_CLOCK_TIME_IS_VALID(earliest) || s.input.segment.format != GST_FORMAT_TIME) return false;
  const GstClockTime time =
      gst_segment_to_running_time(&s.input.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  return GST_CLOCK_TIME_IS_VALID(time) && time < earliest;
}

Kind kind_of(GstElement* element, ClassifyState& s, const OpenModel& model,
             const ClassifySettings::Frame& settings, GstBuffer* buffer) {
  if (!settings.enabled) return Kind::untouched;
  const bool due = s.input.frames++ % settings.inference_interval == 0;
  if (!due || GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) return Kind::reuse;
  if (!settings.qos) return Kind::infer;
  const bool overloaded = s.live && model.stream->waiting() >= s.most_waiting();
  if (!overloaded && !is_late(s, buffer)) return Kind::infer;
  GST_DEBUG_OBJECT(element, "frame %" GST_TIME_FORMAT " is not classified: %s",
                   GST_TIME_ARGS(GST_BUFFER_PTS(buffer)), overloaded ? "the network is too slow" : "late");
  if (overloaded) s.input.frames = 0;  // the next one is due
  return Kind::reuse;
}

// Where the caps do not say how long a frame lasts, it is seen from the timestamps.
void note_frame_time(ClassifyState& s, GstClockTime pts) {
  if (GST_VIDEO_INFO_FPS_N(&s.input.info) > 0) return;
  const GstClockTime last = std::exchange(s.input.last_pts, pts);
  if (!GST_CLOCK_TIME_IS_VALID(pts) || !GST_CLOCK_TIME_IS_VALID(last) || pts <= last) return;
  const GstClockTime now = std::min<GstClockTime>(pts - last, GST_SECOND), before = s.frame_duration;
  s.frame_duration = before > 0 ? (3 * before + now) / 4 : now;
}

// What of the frame a GstVideoCropMeta shows.
Image visible(const Image& image, GstBuffer* buffer) {
  const GstVideoCropMeta* crop = gst_buffer_get_video_crop_meta(buffer);
  if (crop == nullptr) return image;
  return crop_image(image, {crop->x, crop->y, crop->width, crop->height}).value_or(image);
}

// A live source does not stop for the network: what that has no room for carries the last result. The regions
// of one frame wait for each other, but not for longer than the frame lasts.
bool may_wait(const ClassifyState& s, const ClassifyJob& job, const ClassifySettings::Frame& settings) {
  if (!s.live || !settings.qos) return true;
  return job.used > 1 && steady_time() - job.arrival < s.frame_duration;
}

// A mapped frame, with a reference to its buffer.
using Pixels = std::shared_ptr<const GstVideoFrame>;

// @return nullptr: it cannot be mapped
Pixels map_pixels(GstBuffer* buffer, const GstVideoInfo& info) {
  auto frame = std::make_unique<GstVideoFrame>();
  if (!gst_video_frame_map(frame.get(), &info, buffer, GST_MAP_READ)) return nullptr;
  return {frame.release(), [](GstVideoFrame* mapped) {
            gst_video_frame_unmap(mapped);
            delete mapped;
          }};
}

// A live source's frame may leave before its batch runs. Who draws on it then is not to find it in use, which
// would cost a copy.
SubmitOptions submit_options(const ClassifyState& s, const ClassifyJob& job, const Pixels& pixels,
                             const ClassifySettings::Frame& settings, bool patient) {
  return {.pixels = s.live ? nullptr : pixels, .patient = patient, .wait = may_wait(s, job, settings)};
}

// @return false: the network had no room for one
bool submit_regions(ClassifyState& s, ClassifyJob& job, const Image& image, const Pixels& pixels,
                    const ClassifySettings::Frame& settings, bool patient) {
  ClassifyState::Input& input = s.input;
  if (std::exchange(input.model, job.model) != job.model) input.regions.reset();
  const std::vector<FrameRegion> regions = find_regions(pixels->buffer);
  const std::size_t first = std::exchange(input.first_region, 0);
  bool taken = true;
  for (std::size_t n = 0; n < regions.size(); ++n) {
    const std::size_t i = (first + n) % regions.size();
    const std::optional<Image> cropped = crop_image(image, regions[i].box);
    if (!cropped || !input.regions.wants(regions[i], settings)) continue;
    ClassifyJob::Part& part = job.add_part();
    part.number = static_cast<gint>(i);
    part.region = regions[i];
    const SubmitOptions options = submit_options(s, job, pixels, settings, patient);
    if (job.model->stream->submit(*cropped, part.request, options)) continue;
    job.remove_part();
    input.regions.missed(regions[i]);
    if (std::exchange(taken, false)) input.first_region = i;
  }
  return taken;
}

// @return false: the network had no room for it
bool submit_whole(const ClassifyState& s, ClassifyJob& job, const Image& image, const Pixels& pixels,
                  const ClassifySettings::Frame& settings, bool patient) {
  EngineStream& stream = *job.model->stream;
  if (settings.change_threshold >= 0 && stream.is_like_the_last(image, settings.change_threshold)) {
    job.kind = Kind::reuse;
    return true;
  }
  ClassifyJob::Part& part = job.add_part();
  if (stream.submit(image, part.request, submit_options(s, job, pixels, settings, patient))) return true;
  job.remove_part();
  job.kind = Kind::reuse;
  return false;
}

bool fail_to_read(GstElement* element, GstBuffer* buffer) {
  post_message(element, GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
               "A frame does not hold what its caps say.",
               "buffer of " + std::to_string(gst_buffer_get_size(buffer)) + " bytes");
  return false;
}

// Gives the frame's pixels to the engine. @return false, with an error on the bus, when they are not there
bool submit_pixels(GstElement* element, ClassifyState& s, ClassifyJob& job, GstBuffer* buffer,
                   const ClassifySettings::Frame& settings, bool patient) {
  const Pixels pixels = map_pixels(buffer, s.input.info);
  if (!pixels || GST_VIDEO_FRAME_FORMAT(pixels.get()) != GST_VIDEO_INFO_FORMAT(&s.input.info) ||
      !is_whole(*pixels))
    return fail_to_read(element, buffer);
  Image image = frame_image(*pixels);
  image.orientation = s.input.orientation;
  const bool taken = settings.inference_region == InferenceRegion::roi_list
                         ? submit_regions(s, job, image, pixels, settings, patient)
                         : submit_whole(s, job, visible(image, buffer), pixels, settings, patient);
  if (!taken) {
    GST_DEBUG_OBJECT(element, "frame %" GST_TIME_FORMAT " is not classified: the network is too slow",
                     GST_TIME_ARGS(GST_BUFFER_PTS(buffer)));
    s.input.frames = 0;  // the next one is due
  }
  return true;
}

// The clock on which frames may wait for company; null: they may not.
ClockPtr batch_clock(GstElement* element, const ClassifyState& s) {
  return ClockPtr(s.batch_timeout > 0 && s.playing ? gst_element_get_clock(element) : nullptr);
}

}  // namespace

GstFlowReturn submit_frame(GstElement* element, ClassifyState& s, BufferPtr buffer) {
  const ClassifySettings::Frame settings = s.frame_settings();
  const std::shared_ptr<ClassifyJob> job = s.jobs.take();
  job->arrival = steady_time();
  job->model = take_model(s);
  note_frame_time(s, GST_BUFFER_PTS(buffer.get()));
  job->kind = kind_of(element, s, *job->model, settings, buffer.get());
  if (job->kind != Kind::untouched) s.input.regions.next_frame();
  ClockPtr clock;
  if (job->kind == Kind::infer) {
    clock = batch_clock(element, s);
    job->deadline = clock ? gst_clock_get_time(clock.get()) + s.batch_timeout : GST_CLOCK_TIME_NONE;
    if (!submit_pixels(element, s, *job, buffer.get(), settings, clock != nullptr)) return GST_FLOW_ERROR;
  }
  GST_LOG_OBJECT(element, "frame %" GST_TIME_FORMAT " in: %u pictures for the network",
                 GST_TIME_ARGS(GST_BUFFER_PTS(buffer.get())), static_cast<guint>(job->used));
  const bool queued = s.queue.push({.object = GST_MINI_OBJECT_CAST(buffer.release()), .job = job});
  if (clock) {
    s.timer.arm(clock.get(), job->deadline);
    if (!s.playing) s.send_batch();  // it was paused meanwhile
  }
  return queued ? GST_FLOW_OK : s.queue.flow();
}

}  // namespace resnet
