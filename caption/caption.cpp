#include "caption/caption.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <pango/pangocairo.h>

namespace resnet {
namespace {

// Longer labels are cut before Pango sees them: no frame has room for more, and shaping costs time.
constexpr glong longest_label = 256;
constexpr int smallest_frame = 16;

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Surface = std::unique_ptr<cairo_surface_t, Freer<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, Freer<cairo_destroy>>;
using Layout = std::unique_ptr<PangoLayout, Freer<g_object_unref>>;
using Font = std::unique_ptr<PangoFontDescription, Freer<pango_font_description_free>>;

/// Valid UTF-8 on one line.
std::string clean(const std::string& label) {
  // Bytes below 0x80 never are part of a longer character, so controls can go before the check.
  std::string plain = label.substr(0, static_cast<std::size_t>(longest_label) * 6);
  for (char& c : plain) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  std::unique_ptr<char, Freer<g_free>> valid(
      g_utf8_make_valid(plain.data(), static_cast<gssize>(plain.size())));
  std::string result;
  glong characters = 0;
  for (const char* at = valid.get(); *at != '\0' && characters < longest_label;
       at = g_utf8_next_char(at), ++characters) {
    switch (g_unichar_type(g_utf8_get_char(at))) {
      case G_UNICODE_CONTROL:
      case G_UNICODE_LINE_SEPARATOR:
      case G_UNICODE_PARAGRAPH_SEPARATOR:
        result += ' ';
        break;
      default:
        result.append(at, static_cast<std::size_t>(g_utf8_next_char(at) - at));
    }
  }
  return result;
}

std::string percent(double probability) {
  const long tenths = std::lround(std::clamp(probability, 0.0, 1.0) * 1000);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "%";
}

Layout new_layout(cairo_t* context, const PangoFontDescription* font, const std::string& text) {
  Layout layout(pango_cairo_create_layout(context));
  pango_layout_set_font_description(layout.get(), font);
  pango_layout_set_single_paragraph_mode(layout.get(), TRUE);
  pango_layout_set_text(layout.get(), text.data(), static_cast<int>(text.size()));
  return layout;
}

struct Size {
  int width = 0, height = 0;
};

Size size_of(PangoLayout* layout) {
  Size size;
  pango_layout_get_pixel_size(layout, &size.width, &size.height);
  return size;
}

int ascent_of(PangoLayout* layout) { return pango_layout_get_baseline(layout) / PANGO_SCALE; }

/// Everything about the plate that does not depend on a single line, in pixels.
struct Measures {
  int font, margin, padding, gap, bar;
  int ascent = 0, descent = 0;  // of the highest and the deepest text: scripts differ
  int label_width = 0, number_width = 0;

  int row_height() const { return ascent + descent + 2 * gap + bar; }
  void make_room_for(PangoLayout* text) {
    ascent = std::max(ascent, ascent_of(text));
    descent = std::max(descent, size_of(text).height - ascent_of(text));
  }
};

Measures measures_for(int width, int height) {
  const int font = std::clamp(std::min(height / 18, width / 16), 8, 96);
  Measures m{};
  m.font = font;
  m.margin = std::min(width, height) < 64 ? 0 : (font / 2 + 1) / 2 * 2;  // even: chroma stays aligned
  m.padding = std::max(1, std::min(width, height) < 64 ? 1 : font / 3);
  m.gap = std::max(1, font / 8);
  m.bar = std::max(1, font / 5);
  return m;
}

struct Row {
  Layout label, number;
  std::array<double, 3> colour;
  double probability;
};

std::vector<Row> lay_out(const std::vector<CaptionLine>& lines, cairo_t* context, int frame_width,
                         int frame_height, Measures& m) {
  Font font(pango_font_description_from_string("Sans Bold"));
  pango_font_description_set_absolute_size(font.get(), m.font * PANGO_SCALE);
  const int inner_width = frame_width - 2 * (m.margin + m.padding);
  const int inner_height = frame_height - 2 * (m.margin + m.padding);
  const bool any_number = std::any_of(lines.begin(), lines.end(),
                                      [](const CaptionLine& line) { return !std::isnan(line.probability); });
  // As wide as the widest number, so that the plate does not tremble from frame to frame.
  if (any_number)
    m.number_width = size_of(new_layout(context, font.get(), "100.0%").get()).width + m.font / 2;
  if (inner_width - m.number_width < 3 * m.font) m.number_width = 0;

  std::vector<Row> rows;
  for (const CaptionLine& line : lines) {
    if (static_cast<int>(rows.size()) >= inner_height) break;
    Row row{new_layout(context, font.get(), clean(line.label)), nullptr, line_colour(line), line.probability};
    if (m.number_width > 0 && !std::isnan(line.probability)) {
      row.number = new_layout(context, font.get(), percent(line.probability));
    }
    pango_layout_set_ellipsize(row.label.get(), PANGO_ELLIPSIZE_END);
    Size size = size_of(row.label.get());
    if (size.width > inner_width - m.number_width) {
      pango_layout_set_width(row.label.get(), (inner_width - m.number_width) * PANGO_SCALE);
      size = size_of(row.label.get());
    }
    Measures with_row = m;
    with_row.make_room_for(row.label.get());
    if (row.number) with_row.make_room_for(row.number.get());
    // The first line is drawn in any case (cut, when the frame is that flat); the others only whole.
    if (!rows.empty() && with_row.row_height() * (static_cast<int>(rows.size()) + 1) > inner_height) break;
    m = with_row;
    m.label_width = std::clamp(size.width, m.label_width, inner_width - m.number_width);
    rows.push_back(std::move(row));
  }
  // Room for the bar to say something, also under a short label.
  m.label_width = std::clamp(std::max(m.label_width, 5 * m.font), 1, inner_width - m.number_width);
  return rows;
}

void draw_row(cairo_t* context, const Row& row, const Measures& m, int top) {
  const int left = m.padding;
  const int width = m.label_width + m.number_width;
  cairo_set_source_rgb(context, 1, 1, 1);
  cairo_move_to(context, left, top + m.ascent - ascent_of(row.label.get()));
  // A width makes right-to-left labels start at the right.
  pango_layout_set_width(row.label.get(), m.label_width * PANGO_SCALE);
  pango_cairo_show_layout(context, row.label.get());
  if (row.number) {
    cairo_move_to(context, left + width - size_of(row.number.get()).width,
                  top + m.ascent - ascent_of(row.number.get()));
    pango_cairo_show_layout(context, row.number.get());
  }
  if (std::isnan(row.probability)) return;
  const int bar_top = top + m.ascent + m.descent + m.gap;
  cairo_rectangle(context, left, bar_top, width, m.bar);
  cairo_set_source_rgba(context, 1, 1, 1, 0.25);
  cairo_fill(context);
  cairo_rectangle(context, left, bar_top, width * std::clamp(row.probability, 0.0, 1.0), m.bar);
  cairo_set_source_rgb(context, row.colour[0], row.colour[1], row.colour[2]);
  cairo_fill(context);
}

void draw_plate(cairo_t* context, int width, int height, int radius) {
  const double r = std::min({radius, width / 2, height / 2});
  const double quarter = std::acos(0.0);
  cairo_new_sub_path(context);
  cairo_arc(context, width - r, r, r, -quarter, 0);
  cairo_arc(context, width - r, height - r, r, 0, quarter);
  cairo_arc(context, r, height - r, r, quarter, 2 * quarter);
  cairo_arc(context, r, r, r, 2 * quarter, 3 * quarter);
  cairo_close_path(context);
  cairo_set_source_rgba(context, 0, 0, 0, 0.65);
  cairo_fill(context);
}

}  // namespace

std::array<double, 3> line_colour(const CaptionLine& line) {
  // The golden angle keeps the hues of any number of indices apart; FNV-1a makes a number of a label.
  constexpr double golden_angle = 137.50776;
  std::uint32_t hash = 2166136261u;
  for (const char c : line.label) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  const double degrees = line.id >= 0 ? 40 + golden_angle * line.id : (hash ^ (hash >> 16)) % 360;
  const double hue = std::fmod(degrees, 360.0) / 60.0;
  std::array<double, 3> colour{};
  for (int i = 0; i < 3; ++i) {
    const double k = std::fmod(5.0 - 2.0 * i + hue, 6.0);
    colour[static_cast<std::size_t>(i)] = 0.98 - 0.6 * std::clamp(std::min(k, 4.0 - k), 0.0, 1.0);
  }
  return colour;
}

CaptionBitmap draw_caption(const std::vector<CaptionLine>& lines, int frame_width, int frame_height) {
  CaptionBitmap bitmap;
  if (lines.empty() || frame_width < smallest_frame || frame_height < smallest_frame) return bitmap;

  Surface scratch(cairo_image_surface_create(CAIRO_FORMAT_ARGB32, 1, 1));
  Context measuring(cairo_create(scratch.get()));
  Measures m = measures_for(frame_width, frame_height);
  const std::vector<Row> rows = lay_out(lines, measuring.get(), frame_width, frame_height, m);
  if (rows.empty()) return bitmap;

  const int width = std::min(frame_width - 2 * m.margin, m.label_width + m.number_width + 2 * m.padding);
  const int height =
      std::min(frame_height - 2 * m.margin, m.row_height() * static_cast<int>(rows.size()) + 2 * m.padding);
  const int stride = cairo_format_stride_for_width(CAIRO_FORMAT_ARGB32, width);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(stride) * static_cast<std::size_t>(height));
  Surface surface(
      cairo_image_surface_create_for_data(pixels.data(), CAIRO_FORMAT_ARGB32, width, height, stride));
  Context context(cairo_create(surface.get()));
  draw_plate(context.get(), width, height, m.padding);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    pango_cairo_update_layout(context.get(), rows[i].label.get());
    draw_row(context.get(), rows[i], m, m.padding + static_cast<int>(i) * m.row_height());
  }
  cairo_surface_flush(surface.get());
  if (cairo_status(context.get()) != CAIRO_STATUS_SUCCESS) return bitmap;

  bitmap.x = bitmap.y = m.margin;
  bitmap.width = width;
  bitmap.height = height;
  bitmap.stride = stride;
  context.reset();
  surface.reset();
  bitmap.pixels = std::move(pixels);
  return bitmap;
}

}  // namespace resnet
