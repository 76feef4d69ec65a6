#ifndef RESNET_PLUGIN_OVERLAY_H
#define RESNET_PLUGIN_OVERLAY_H

#include <vector>

#include <gst/video/video-overlay-composition.h>
#include <gst/video/video.h>

#include "caption/caption.h"

namespace resnet {

/// Puts captions on frames: attached as a GstVideoOverlayComposition where downstream renders it, blended
/// into the pixels otherwise. The bitmap is kept while lines and frame size stay the same. One thread uses
/// one object.
class Overlay {
 public:
  Overlay() = default;
  ~Overlay() { clear(); }
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  /// @param info of the frames that follow  @param attach downstream takes the composition meta
  void set_format(const GstVideoInfo& info, bool attach);

  /// Draws onto the buffer; takes it and returns it, made writable as far as drawing needs.
  /// @param drawn whether the frame shows the lines afterwards
  GstBuffer* apply(GstBuffer* buffer, const std::vector<CaptionLine>& lines, bool& drawn);

 private:
  void clear();
  void update(const std::vector<CaptionLine>& lines);

  GstVideoInfo info_{};
  bool attach_ = false;
  std::vector<CaptionLine> lines_;
  GstVideoOverlayComposition* composition_ = nullptr;
};

}  // namespace resnet

#endif
