#include "caption/caption.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <pango/pangocairo.h>

namespace resnet {

namespace {

template <auto Function>
struct Release {
  template <typename T>
  void operator()(T* pointer) const {
    Function(pointer);
  }
};
using Surface = std::unique_ptr<cairo_surface_t, Release<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, Release<cairo_destroy>>;
using Layout = std::unique_ptr<PangoLayout, Release<g_object_unref>>;
using Font = std::unique_ptr<PangoFontDescription, Release<pango_font_description_free>>;

constexpr int smallest_frame = 16;

// Invalid UTF-8 and control characters must not reach Pango.
std::string printable(const std::string& label) {
  const std::unique_ptr<char, Release<g_free>> valid(
      g_utf8_make_valid(label.data(), static_cast<gssize>(label.size())));
  std::string text = valid.get();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

// FNV-1a over the label gives a hue that is the same in every frame and run.
void label_color(const std::string& label, double (&rgb)[3]) {
  std::uint32_t hash = 2166136261u;
  for (const char c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  const double hue = (hash % 360u) / 60.0;
  for (int i = 0; i < 3; ++i) {
    const double distance = std::fmod(hue + 2.0 * i, 6.0);
    const double strength = std::clamp(std::abs(distance - 3.0) - 1.0, 0.0, 1.0);
    rgb[i] = 0.35 + 0.6 * strength;
  }
}

struct Sizes {
  int font, padding, bar, line, width;
};

Sizes sizes_for(int frame_width, int frame_height, std::size_t lines) {
  int font = std::clamp(std::min(frame_height / 16, frame_width / 18), 7, 64);
  // Shrinks until all lines fit.
  while (font > 4 && static_cast<int>(lines) * (font * 2) + font > frame_height) --font;
  const int padding = std::max(font / 2, 2);
  const int bar = std::max(font / 5, 2);
  return {font, padding, bar, font * 3 / 2 + bar + padding / 2, std::min(frame_width - 2, font * 16)};
}

Layout make_layout(cairo_t* cairo, const std::string& text, int font_size) {
  Layout layout(pango_cairo_create_layout(cairo));
  const Font font(pango_font_description_from_string("Sans Bold"));
  pango_font_description_set_absolute_size(font.get(), font_size * PANGO_SCALE);
  pango_layout_set_font_description(layout.get(), font.get());
  pango_layout_set_single_paragraph_mode(layout.get(), TRUE);
  pango_layout_set_text(layout.get(), text.data(), static_cast<int>(text.size()));
  return layout;
}

int layout_width(PangoLayout* layout) {
  int width = 0;
  pango_layout_get_pixel_size(layout, &width, nullptr);
  return width;
}

void draw_line(cairo_t* cairo, const CaptionLine& line, const Sizes& sizes, double top) {
  const bool has_number = std::isfinite(line.probability);
  const double probability = has_number ? std::clamp(line.probability, 0.0, 1.0) : 0.0;
  const int inner = std::max(sizes.width - 2 * sizes.padding, 1);
  int number_width = 0;
  cairo_set_source_rgb(cairo, 1, 1, 1);
  if (has_number) {
    char number[8];
    g_snprintf(number, sizeof number, "%.0f %%", probability * 100);
    const Layout layout = make_layout(cairo, number, sizes.font);
    number_width = layout_width(layout.get());
    cairo_move_to(cairo, sizes.padding + inner - number_width, top);
    pango_cairo_show_layout(cairo, layout.get());
  }
  const Layout layout = make_layout(cairo, printable(line.label), sizes.font);
  pango_layout_set_width(layout.get(), std::max(inner - number_width - sizes.padding, 1) * PANGO_SCALE);
  pango_layout_set_ellipsize(layout.get(), PANGO_ELLIPSIZE_END);
  cairo_move_to(cairo, sizes.padding, top);
  pango_cairo_show_layout(cairo, layout.get());
  if (!has_number) return;
  const double bar_top = top + sizes.font * 1.5;
  double rgb[3];
  label_color(line.label, rgb);
  cairo_set_source_rgba(cairo, 1, 1, 1, 0.25);
  cairo_rectangle(cairo, sizes.padding, bar_top, inner, sizes.bar);
  cairo_fill(cairo);
  cairo_set_source_rgb(cairo, rgb[0], rgb[1], rgb[2]);
  cairo_rectangle(cairo, sizes.padding, bar_top, inner * probability, sizes.bar);
  cairo_fill(cairo);
}

}  // namespace

CaptionBitmap draw_caption(const std::vector<CaptionLine>& lines, int frame_width, int frame_height) {
  CaptionBitmap bitmap;
  if (lines.empty() || frame_width < smallest_frame || frame_height < smallest_frame) return bitmap;
  const Sizes sizes = sizes_for(frame_width, frame_height, lines.size());
  bitmap.width = sizes.width;
  bitmap.height = std::min(static_cast<int>(lines.size()) * sizes.line + sizes.padding, frame_height);
  bitmap.x = std::min(std::max(sizes.font / 2, 1), frame_width - bitmap.width);
  bitmap.y = std::min(std::max(sizes.font / 2, 1), frame_height - bitmap.height);
  bitmap.stride = cairo_format_stride_for_width(CAIRO_FORMAT_ARGB32, bitmap.width);
  bitmap.pixels.assign(static_cast<std::size_t>(bitmap.stride) * static_cast<std::size_t>(bitmap.height), 0);
  const Surface surface(cairo_image_surface_create_for_data(bitmap.pixels.data(), CAIRO_FORMAT_ARGB32,
                                                            bitmap.width, bitmap.height, bitmap.stride));
  const Context cairo(cairo_create(surface.get()));
  cairo_set_source_rgba(cairo.get(), 0, 0, 0, 0.6);
  cairo_paint(cairo.get());
  double top = sizes.padding / 2.0;
  for (const CaptionLine& line : lines) {
    draw_line(cairo.get(), line, sizes, top);
    top += sizes.line;
  }
  cairo_surface_flush(surface.get());
  return bitmap;
}

}  // namespace resnet
