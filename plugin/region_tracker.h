#ifndef RESNET_PLUGIN_REGION_TRACKER_H
#define RESNET_PLUGIN_REGION_TRACKER_H

#include <memory>
#include <optional>
#include <vector>

#include <gst/gst.h>

#include "plugin/frame_image.h"
#include "plugin/result_tracker.h"

namespace resnet {

/// What tells a region from others, and in the next frame again.
struct RegionIdentity {
  GQuark type = 0;
  Rectangle box;
  std::optional<gint> object{};  ///< as a tracker upstream numbers objects; nothing: there is none
};

/// What is known of a stream's regions over time, so that frames which are not classified have labels too.
/// For one thread.
class RegionTracker {
 public:
  struct Track {
    RegionIdentity identity;
    ResultTracker result;
    std::shared_ptr<GBytes> features;  ///< of the last result; null: it has none
    guint64 seen = 0;                  ///< the number of the last frame that had it
  };

  /// Another frame begins: what was not seen for long is forgotten.
  void next_frame();
  /// The track of a region of this frame, whose place it takes over: the one with its number or, where nobody
  /// numbers objects, the one of its type that overlaps it most, if by half at least (intersection over
  /// union).
  /// @return nullptr when there is none
  Track* find(const RegionIdentity& region);
  /// The same, with a new track where there is none.
  Track& find_or_add(const RegionIdentity& region);
  /// The track of a region of an earlier frame, which changes no place; a new one where there is none.
  Track& find_late(const RegionIdentity& region);
  /// Forgets everything.
  void reset() { tracks_.clear(); }

 private:
  std::vector<Track>::iterator best_match(const RegionIdentity& region, bool also_seen);

  std::vector<Track> tracks_;
  guint64 frame_ = 0;
};

}  // namespace resnet

#endif
