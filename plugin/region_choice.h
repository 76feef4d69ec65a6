#ifndef RESNET_PLUGIN_REGION_CHOICE_H
#define RESNET_PLUGIN_REGION_CHOICE_H

#include <map>
#include <utility>

#include "plugin/classify_settings.h"
#include "plugin/region_results.h"

namespace resnet {

/// Which regions of a stream's frames are classified. For one thread.
class RegionChoice {
 public:
  /// Another frame begins.
  void next_frame();
  /// Whether the region of this frame is to be classified: of the right type and size, and not one that a
  /// tracker has numbered and that was classified less than `reclassify_interval` frames ago.
  bool wants(const FrameRegion& region, const ClassifySettings::Frame& settings);
  /// One that was wanted was not classified: it is wanted when it comes again.
  void missed(const FrameRegion& region);
  /// No region was classified yet.
  void reset() { objects_.clear(); }

 private:
  struct Object {
    guint64 classified = 0, seen = 0;  // the numbers of the last frames
  };

  // By the numbers in the tracker and the types: of another type an object has no result yet.
  std::map<std::pair<guint64, GQuark>, Object> objects_;
  guint64 frame_ = 0;
};

}  // namespace resnet

#endif
