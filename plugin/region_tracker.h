#ifndef RESNET_PLUGIN_REGION_TRACKER_H
#define RESNET_PLUGIN_REGION_TRACKER_H

#include <memory>
#include <vector>

#include <gst/gst.h>

#include "plugin/region_results.h"
#include "plugin/result_tracker.h"

namespace resnet {

/// A region that was not seen in so many frames is another one when it comes again.
constexpr guint64 frames_until_forgotten = 150;

/// What is known of a stream's regions over time, so that frames which are not classified have labels too.
/// For one thread.
class RegionTracker {
 public:
  struct Track {
    FrameRegion region;
    ResultTracker result;
    std::shared_ptr<GstBuffer> features;  ///< of the last result; null: it has none
    guint64 seen = 0;                     ///< the number of the last frame that had it
  };

  /// Another frame begins: what was not seen for long is forgotten.
  void next_frame();
  /// The track of a region of this frame, whose place it takes over: the one with its number or, where nobody
  /// numbers objects, the one of its type that overlaps it most, if by half at least (intersection over
  /// union).
  /// @return nullptr when there is none
  Track* find(const FrameRegion& region);
  /// The same, with a new track where there is none.
  Track& find_or_add(const FrameRegion& region);
  /// The track of a region of an earlier frame, which changes no place; a new one where there is none.
  Track& find_late(const FrameRegion& region);
  /// Forgets everything.
  void reset() { tracks_.clear(); }

 private:
  std::vector<Track>::iterator best_match(const FrameRegion& region, bool also_seen);

  std::vector<Track> tracks_;
  guint64 frame_ = 0;
};

}  // namespace resnet

#endif
