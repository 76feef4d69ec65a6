#ifndef RESNET_PIPELINES_TOOLS_PAINT_H
#define RESNET_PIPELINES_TOOLS_PAINT_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <random>

#include <cairo.h>

namespace resnet::paint {

inline constexpr double pi = std::numbers::pi;
inline constexpr double golden_angle = 2.399963229728653;

/// Uniform numbers that are the same with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(engine_() >> 11U) * 0x1.0p-53;
  }
  int integer(int low, int high) {  // both included
    return low + static_cast<int>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(double probability) { return uniform(0, 1) < probability; }

 private:
  std::mt19937_64 engine_;
};

struct Color {
  double r = 0, g = 0, b = 0;
};

inline Color hsv(double hue_degrees, double saturation, double value) {
  const auto channel = [&](double n) {
    const double k = std::fmod(n + hue_degrees / 60.0 + 6.0, 6.0);
    return value - value * saturation * std::clamp(std::min(k, 4.0 - k), 0.0, 1.0);
  };
  return {channel(5), channel(3), channel(1)};
}

inline Color mix(const Color& a, const Color& b, double t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

inline Color shade(const Color& color, double factor) {
  return {std::min(1.0, color.r * factor), std::min(1.0, color.g * factor), std::min(1.0, color.b * factor)};
}

inline void set_color(cairo_t* cr, const Color& color, double alpha = 1) {
  cairo_set_source_rgba(cr, color.r, color.g, color.b, alpha);
}

/// Keeps cairo's state for the length of a block.
class Saved {
 public:
  explicit Saved(cairo_t* cr) : cr_(cr) { cairo_save(cr_); }
  ~Saved() { cairo_restore(cr_); }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

 private:
  cairo_t* cr_;
};

struct PatternDeleter {
  void operator()(cairo_pattern_t* pattern) const { cairo_pattern_destroy(pattern); }
};
using Pattern = std::unique_ptr<cairo_pattern_t, PatternDeleter>;

inline Pattern radial(double x, double y, double radius) {
  return Pattern(cairo_pattern_create_radial(x, y, 0, x, y, radius));
}

inline Pattern linear(double x0, double y0, double x1, double y1) {
  return Pattern(cairo_pattern_create_linear(x0, y0, x1, y1));
}

inline void add_stop(const Pattern& pattern, double offset, const Color& color, double alpha = 1) {
  cairo_pattern_add_color_stop_rgba(pattern.get(), offset, color.r, color.g, color.b, alpha);
}

inline void disc(cairo_t* cr, double x, double y, double radius) {
  cairo_new_path(cr);
  cairo_arc(cr, x, y, radius, 0, 2 * pi);
}

/// One petal that points up from (0, −inner) to (0, −outer); `tip` 0 is pointed, 1 is round.
struct Petal {
  double inner = 0, outer = 1, width = 0.2, tip = 0.5;
};

inline void draw_petal(cairo_t* cr, const Petal& petal, const Color& base, const Color& end) {
  const double length = petal.outer - petal.inner;
  const double half = petal.width / 2;
  cairo_new_path(cr);
  cairo_move_to(cr, 0, -petal.inner);
  cairo_curve_to(cr, half, -petal.inner - 0.25 * length, half * (0.5 + petal.tip),
                 -petal.outer + 0.12 * length * (1 - petal.tip), 0, -petal.outer);
  cairo_curve_to(cr, -half * (0.5 + petal.tip), -petal.outer + 0.12 * length * (1 - petal.tip), -half,
                 -petal.inner - 0.25 * length, 0, -petal.inner);
  const Pattern fill = linear(0, -petal.inner, 0, -petal.outer);
  add_stop(fill, 0, base);
  add_stop(fill, 0.55, mix(base, end, 0.75));
  add_stop(fill, 1, end);
  cairo_set_source(cr, fill.get());
  cairo_fill_preserve(cr);
  cairo_set_line_width(cr, 0.012);
  set_color(cr, shade(base, 0.6), 0.45);
  cairo_stroke(cr);
}

/// A ring of petals with small irregularities.
inline void draw_ring(cairo_t* cr, Random& random, int count, const Petal& petal, const Color& base,
                      const Color& end) {
  const double start = random.uniform(0, 2 * pi);
  for (int i = 0; i < count; ++i) {
    const Saved saved(cr);
    cairo_rotate(cr, start + 2 * pi * i / count + random.uniform(-0.35, 0.35) / count);
    Petal one = petal;
    one.outer *= random.uniform(0.9, 1.04);
    one.width *= random.uniform(0.88, 1.1);
    const double light = random.uniform(0.9, 1.06);
    draw_petal(cr, one, shade(base, light), shade(end, light));
  }
}

/// Dots on a sunflower spiral (Vogel 1979): the seeds of a flower's centre.
inline void draw_seeds(cairo_t* cr, int count, double radius, double dot, const Color& inner,
                       const Color& outer) {
  for (int i = 0; i < count; ++i) {
    const double t = std::sqrt((i + 0.5) / count);
    disc(cr, radius * t * std::cos(golden_angle * i), radius * t * std::sin(golden_angle * i), dot);
    set_color(cr, mix(inner, outer, t));
    cairo_fill(cr);
  }
}

}  // namespace resnet::paint

#endif
