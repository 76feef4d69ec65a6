#ifndef RESNET_CAPTION_CAPTION_H
#define RESNET_CAPTION_CAPTION_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resnet {

/// One line of a caption: a class and how sure the network is of it.
struct CaptionLine {
  std::string label;       ///< UTF-8, any script; control characters and line breaks are shown as spaces
  double probability = 0;  ///< 0…1; its bar's length; NaN draws no bar and no number
  int id = -1;  ///< the class's index in the model, which gives it its colour; −1: its label does

  bool operator==(const CaptionLine&) const = default;
};

/// A bitmap of premultiplied BGRA, 8 bits each, in memory order B, G, R, A (Cairo's ARGB32 and GStreamer's
/// BGRA on little-endian machines), to be put at (x, y) of the frame.
struct CaptionBitmap {
  int x = 0, y = 0, width = 0, height = 0;
  int stride = 0;                    ///< bytes from row to row
  std::vector<std::uint8_t> pixels;  ///< stride · height bytes
};

/// Draws lines as text over a translucent plate with a probability bar each, sized and placed for a frame of
/// frame_width × frame_height: readable on any background and always inside the frame. Long labels are
/// ellipsised. A class has the same colour in every frame. Frames too small for text (below 16×16) give an
/// empty bitmap.
CaptionBitmap draw_caption(const std::vector<CaptionLine>& lines, int frame_width, int frame_height);

/// A rectangle of the frame's pixels and what is in it. May reach beyond the frame.
struct CaptionRegion {
  int x = 0, y = 0, width = 0, height = 0;
  CaptionLine line;

  bool operator==(const CaptionRegion&) const = default;
};

/// Draws the lines as draw_caption does, each region's outline in its line's colour with dark edges, and its
/// line on a plate: above the region, else at its upper or lower edge inside, else below it, where it hides
/// the least of the plates before. Nothing else covers a region's pixels. The bitmaps lie inside the frame;
/// where plates meet one is in front, and nothing shines through it.
/// @param above the number of lines of each caption that the frame shows already: the lines come below them
std::vector<CaptionBitmap> draw_overlay(const std::vector<CaptionLine>& lines,
                                        const std::vector<CaptionRegion>& regions, int frame_width,
                                        int frame_height, const std::vector<std::size_t>& above = {});

/// The line's colour (red, green, blue, 0…1), bright: classes of neighbouring indices are far apart.
std::array<double, 3> line_colour(const CaptionLine& line);

}  // namespace resnet

#endif
