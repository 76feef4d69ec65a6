#include "plugin/classify_regions.h"

#include "plugin/analytics_meta.h"
#include "plugin/classify_result.h"

namespace resnet {

namespace {

using Frame = ClassifySettings::Frame;
using Track = RegionTracker::Track;

void add_result(Track& track, const std::shared_ptr<ClassifyJob>& job, std::size_t part, GstClockTime pts,
                const Frame& settings) {
  track.result.add(job->parts[part].request->probabilities, pts, smoothing_of(*job->model, settings));
  track.features = share_features(job, part);
}

// Puts on the n-th region what is known of it.
void annotate(const OpenModel& model, const Track& track, GstBuffer* buffer, gint number,
              const Frame& settings, const std::string& stream) {
  if (track.result.empty()) return;
  const std::string& name = model.engine->model_name();
  RegionClassification result{stream, name, track.result.age_at(GST_BUFFER_PTS(buffer))};
  result.features = track.features;
  if (!track.result.probabilities().empty()) {
    result.scores = class_scores(model, track.result, settings);
    add_region_result(buffer, number, result);
    if (track.region.object) add_analytics_classes(buffer, result.scores, track.region.object);
  }
  if (track.features) add_region_features(buffer, number, result);
}

bool has_part(const ClassifyJob* job, gint number) {
  for (std::size_t i = 0; job != nullptr && i < job->used; ++i) {
    if (job->parts[i].number == number) return true;
  }
  return false;
}

}  // namespace

void track_late_regions(ClassifyState::Output& out, const std::shared_ptr<ClassifyJob>& job, GstClockTime pts,
                        const Frame& settings) {
  out.take_model(job->model);
  for (std::size_t i = 0; i < job->used; ++i) {
    add_result(out.regions.find_late(job->parts[i].region), job, i, pts, settings);
  }
}

void annotate_regions(ClassifyState::Output& out, const std::shared_ptr<ClassifyJob>& job, GstBuffer* buffer,
                      const Frame& settings, const std::string& stream) {
  out.regions.next_frame();
  const std::vector<FrameRegion> regions = add_region_metas(buffer);
  if (job) {
    out.take_model(job->model);
    for (std::size_t i = 0; i < job->used; ++i) {
      const ClassifyJob::Part& part = job->parts[i];
      Track& track = out.regions.find_or_add(part.region);
      add_result(track, job, i, GST_BUFFER_PTS(buffer), settings);
      annotate(*out.tracked_model, track, buffer, part.number, settings, stream);
    }
  }
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const gint number = static_cast<gint>(i);
    if (has_part(job.get(), number)) continue;
    const Track* track = out.regions.find(regions[i]);
    if (track) annotate(*out.tracked_model, *track, buffer, number, settings, stream);
  }
}

}  // namespace resnet
