#ifndef RESNET_PLUGIN_OVERLAY_H
#define RESNET_PLUGIN_OVERLAY_H

#include <memory>
#include <vector>

#include <gst/video/video-overlay-composition.h>
#include <gst/video/video.h>

#include "caption/caption.h"
#include "model/image.h"
#include "plugin/gst_ptr.h"

namespace resnet {

/// The pixel formats that captions can be blended into.
#define RESNET_OVERLAY_FORMATS GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS

/// What is to be seen on a frame.
struct OverlayContent {
  std::vector<CaptionLine> lines;
  std::vector<CaptionRegion> regions;
  std::vector<std::size_t> above{};  ///< the number of lines of each caption that the frame shows already

  bool empty() const { return lines.empty() && regions.empty(); }
};

/// Puts captions on frames: attached as a GstVideoOverlayComposition where downstream renders it, else
/// blended into the pixels. They lie in what a GstVideoCropMeta shows of the frame, and are upright when the
/// player has turned it as the tag `image-orientation` says; such frames are blended always: what turns or
/// crops the pixels need not do so with what is attached. The bitmaps are kept while what they show (to a
/// tenth of a per cent) and where stay: nothing is allocated then but GStreamer's own. For one thread.
class Overlay {
 public:
  /// Takes the orientation from the stream's events, to be called for each in its place among the frames.
  void follow(GstEvent* event);

  /// Takes the format from the pad's caps and asks downstream, which must have them already, with an
  /// ALLOCATION query whether it renders GstVideoOverlayComposition. Without a lock held.
  void negotiate(GstPad* source_pad);

  /// @param info of the frames that follow  @param attach whether downstream renders the composition
  void set_format(const GstVideoInfo& info, bool attach);

  /// Draws on a writable buffer (memory that others hold too is copied when pixels change, and only then).
  /// @return whether the frame shows the content now; false leaves the buffer as it was: nothing to show, a
  /// frame too small for
  ///   text, pixels that cannot be mapped or blended
  bool draw(GstBuffer* buffer, const OverlayContent& content);

  /// The same for a buffer that may not be writable yet: takes it and returns it, copied only if it must be.
  BufferPtr apply(BufferPtr buffer, const OverlayContent& content, bool& drawn);

 private:
  struct Unref {
    void operator()(GstVideoOverlayComposition* c) const { gst_video_overlay_composition_unref(c); }
  };

  /// What is shown of a frame, in its pixels.
  struct Area {
    int x = 0, y = 0, width = 0, height = 0;
    bool operator==(const Area&) const = default;
  };

  Area visible(GstBuffer* buffer) const;
  void update(GstBuffer* buffer, const OverlayContent& content);
  void compose();
  void add(const CaptionBitmap& bitmap);
  void attach(GstBuffer* buffer);
  bool blend(GstBuffer* buffer);

  GstVideoInfo info_{};
  bool attach_ = false;
  Orientation orientation_ = Orientation::identity;
  Area area_;
  bool stale_ = true;       // the composition is of another format or orientation
  OverlayContent content_;  // of the composition
  std::unique_ptr<GstVideoOverlayComposition, Unref> composition_;
};

}  // namespace resnet

#endif
