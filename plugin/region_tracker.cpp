#include "plugin/region_tracker.h"

#include <algorithm>

namespace resnet {

namespace {

constexpr double least_overlap = 0.5;

// Intersection over union, 0 to 1.
double overlap(const Rectangle& a, const Rectangle& b) {
  const auto common = [](double from_a, double size_a, double from_b, double size_b) {
    return std::max(0.0, std::min(from_a + size_a, from_b + size_b) - std::max(from_a, from_b));
  };
  const double both = common(a.x, a.width, b.x, b.width) * common(a.y, a.height, b.y, b.height);
  const double all = static_cast<double>(a.width) * a.height + static_cast<double>(b.width) * b.height - both;
  return all > 0 ? both / all : 0;
}

}  // namespace

void RegionTracker::next_frame() {
  ++frame_;
  std::erase_if(tracks_, [&](const Track& track) { return track.seen + frames_until_forgotten < frame_; });
}

// @param also_seen those that this frame has are candidates too
std::vector<RegionTracker::Track>::iterator RegionTracker::best_match(const FrameRegion& region,
                                                                      bool also_seen) {
  auto best = tracks_.end();
  double best_overlap = 0;
  for (auto track = tracks_.begin(); track != tracks_.end(); ++track) {
    const FrameRegion& known = track->region;
    if (known.type != region.type || known.tracking.has_value() != region.tracking.has_value()) continue;
    if (region.tracking) {
      if (*known.tracking == *region.tracking) return track;
      continue;
    }
    const double now = overlap(known.box, region.box);
    if (now < least_overlap || now <= best_overlap || (!also_seen && track->seen == frame_)) continue;
    best = track;
    best_overlap = now;
  }
  return best;
}

RegionTracker::Track* RegionTracker::find(const FrameRegion& region) {
  const auto track = best_match(region, false);
  if (track == tracks_.end()) return nullptr;
  track->region = region;
  track->seen = frame_;
  return &*track;
}

RegionTracker::Track& RegionTracker::find_or_add(const FrameRegion& region) {
  Track* track = find(region);
  return track ? *track : tracks_.emplace_back(Track{region, {}, nullptr, frame_});
}

RegionTracker::Track& RegionTracker::find_late(const FrameRegion& region) {
  const auto track = best_match(region, true);
  return track != tracks_.end() ? *track : tracks_.emplace_back(Track{region, {}, nullptr, frame_});
}

}  // namespace resnet
