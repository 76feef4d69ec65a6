#ifndef RESNET_PLUGIN_TURN_H
#define RESNET_PLUGIN_TURN_H

#include "caption/caption.h"
#include "model/image.h"

namespace resnet {

/// The way between a frame's pixels as they are stored and the upright picture that is shown of them.
class Turn {
 public:
  /// @param width, height of the stored frame
  Turn(Orientation orientation, int width, int height);

  /// Of the upright picture.
  int width() const { return width_; }
  int height() const { return height_; }

  /// A region of the stored frame, as it lies in the upright picture.
  CaptionRegion upright(CaptionRegion region) const;
  /// A bitmap for the upright picture, as it has to be stored to be seen there.
  CaptionBitmap stored(CaptionBitmap bitmap) const;

 private:
  // To be upright, a picture is transposed first, then mirrored.
  bool transposes_ = false, mirrors_x_ = false, mirrors_y_ = false;
  int width_, height_;
};

}  // namespace resnet

#endif
