// draw-flowers: paints a labelled set of synthetic flower pictures, so that the demo needs no data of its
// own.
//
//   draw-flowers OUTPUT --per-class 100 --size 160 --seed 1          OUTPUT/train/CLASS/*.png,
//   OUTPUT/val/CLASS/*.png draw-flowers OUTPUT --per-class 3 --size 480 --seed 2 --flat OUTPUT/CLASS/*.png
//
// Every fifth picture goes to val/. The same options give the same pictures.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <cairo.h>

#include "pipelines/tools/paint.h"

using namespace resnet::paint;

namespace {

Color leaf_green(Random& random) {
  return hsv(random.uniform(85, 140), random.uniform(0.45, 0.8), random.uniform(0.3, 0.6));
}

void draw_leaf(cairo_t* cr, Random& random, double angle, double length, double width) {
  const Saved saved(cr);
  cairo_rotate(cr, angle);
  const Color green = leaf_green(random);
  draw_petal(cr, {.inner = 0, .outer = length, .width = width, .tip = 0.1}, shade(green, 0.7), green);
  cairo_new_path(cr);
  cairo_move_to(cr, 0, 0);
  cairo_line_to(cr, 0, -length * 0.92);
  set_color(cr, shade(green, 1.5), 0.6);
  cairo_set_line_width(cr, 0.02);
  cairo_stroke(cr);
}

/// A curved stem from the flower's middle out of the picture, with leaves on it.
void draw_stem(cairo_t* cr, Random& random, double thickness, int leaves) {
  const double bend = random.uniform(-0.6, 0.6);
  const Color green = leaf_green(random);
  cairo_new_path(cr);
  cairo_move_to(cr, 0, 0);
  cairo_curve_to(cr, 0, 1, bend, 2, bend * 1.4, 6);
  cairo_set_line_width(cr, thickness);
  set_color(cr, shade(green, 0.75));
  cairo_stroke_preserve(cr);
  cairo_set_line_width(cr, thickness * 0.45);
  set_color(cr, shade(green, 1.15));
  cairo_stroke(cr);
  for (int i = 0; i < leaves; ++i) {
    const Saved saved(cr);
    const double side = i % 2 == 0 ? 1 : -1;
    cairo_translate(cr, bend * (0.35 + 0.25 * i), 1.25 + 0.45 * i);
    draw_leaf(cr, random, side * random.uniform(0.7, 1.4), random.uniform(0.7, 1.2),
              random.uniform(0.3, 0.5));
  }
}

/// A flower seen from above or a little from the side: what draws it is in units of its radius.
void tilt(cairo_t* cr, Random& random, double flattest) {
  cairo_rotate(cr, random.uniform(-0.5, 0.5));
  cairo_scale(cr, 1, random.uniform(flattest, 1));
  cairo_rotate(cr, random.uniform(0, 2 * pi));
}

void draw_daisy(cairo_t* cr, Random& random) {
  draw_stem(cr, random, random.uniform(0.06, 0.1), random.integer(0, 1));
  tilt(cr, random, 0.6);
  const Color white = random.chance(0.8) ? Color{0.97, 0.97, 0.95}
                                         : hsv(random.uniform(310, 345), random.uniform(0.1, 0.3), 0.97);
  const Color base = mix(white, {0.72, 0.72, 0.8}, 0.6);
  const int count = random.integer(12, 20);
  const Petal petal{.inner = 0.2, .outer = 1, .width = 3.4 / count, .tip = 0.8};
  draw_ring(cr, random, count, petal, shade(base, 0.9), shade(white, 0.93));
  draw_ring(cr, random, count, petal, base, white);
  const double radius = random.uniform(0.25, 0.34);
  const Pattern centre = radial(-0.08, -0.08, radius * 1.3);
  add_stop(centre, 0, {1, 0.88, 0.25});
  add_stop(centre, 1, hsv(random.uniform(34, 44), 0.95, 0.82));
  disc(cr, 0, 0, radius);
  cairo_set_source(cr, centre.get());
  cairo_fill(cr);
  draw_seeds(cr, 70, radius * 0.95, 0.018, {0.9, 0.7, 0.1}, {0.7, 0.45, 0.05});
}

/// The white clock of ripe seeds.
void draw_dandelion_clock(cairo_t* cr, Random& random) {
  const Pattern haze = radial(0, 0, 1);
  add_stop(haze, 0, {0.95, 0.95, 0.92}, 0.65);
  add_stop(haze, 0.8, {0.95, 0.95, 0.95}, 0.3);
  add_stop(haze, 1, {1, 1, 1}, 0);
  disc(cr, 0, 0, 1);
  cairo_set_source(cr, haze.get());
  cairo_fill(cr);
  const int count = random.integer(80, 120);
  for (int i = 0; i < count; ++i) {
    const Saved saved(cr);
    const double reach = std::sqrt((i + 0.5) / count) * 0.88;
    cairo_rotate(cr, golden_angle * i);
    set_color(cr, {0.85, 0.84, 0.78}, 0.55);
    cairo_set_line_width(cr, 0.012);
    cairo_move_to(cr, 0, 0);
    cairo_line_to(cr, 0, -reach);
    cairo_stroke(cr);
    cairo_translate(cr, 0, -reach);
    set_color(cr, {1, 1, 1}, 0.8);
    cairo_set_line_width(cr, 0.014);
    for (int hair = -3; hair <= 3; ++hair) {
      cairo_move_to(cr, 0, 0);
      cairo_line_to(cr, 0.15 * std::sin(0.38 * hair), -0.15 * std::cos(0.38 * hair));
    }
    cairo_stroke(cr);
  }
  disc(cr, 0, 0, 0.12);
  set_color(cr, {0.45, 0.36, 0.22});
  cairo_fill(cr);
}

void draw_dandelion(cairo_t* cr, Random& random) {
  draw_stem(cr, random, random.uniform(0.08, 0.13), 0);
  if (random.chance(0.3)) {
    draw_dandelion_clock(cr, random);
    return;
  }
  tilt(cr, random, 0.7);
  const double hue = random.uniform(47, 56);
  for (int layer = 0; layer < 5; ++layer) {
    const double outer = 1 - 0.18 * layer;
    const Color end = hsv(hue, random.uniform(0.85, 0.97), 0.9 + 0.025 * layer);
    draw_ring(cr, random, 34 - 3 * layer, {.inner = 0.05, .outer = outer, .width = 0.15, .tip = 1.0},
              hsv(hue - 9, 0.98, 0.78 + 0.03 * layer), end);
  }
  draw_seeds(cr, 50, 0.24, 0.022, hsv(hue - 10, 0.95, 0.85), hsv(hue, 0.8, 1));
}

Color rose_color(Random& random) {
  switch (random.integer(0, 4)) {
    case 0:
      return hsv(random.uniform(345, 358), random.uniform(0.85, 0.97), random.uniform(0.65, 0.85));
    case 1:
      return hsv(random.uniform(330, 348), random.uniform(0.4, 0.65), random.uniform(0.9, 0.98));
    case 2:
      return hsv(random.uniform(40, 50), random.uniform(0.12, 0.4), random.uniform(0.93, 0.98));
    case 3:
      return hsv(random.uniform(14, 28), random.uniform(0.5, 0.75), random.uniform(0.92, 0.98));
    default:
      return hsv(random.uniform(350, 360), random.uniform(0.75, 0.9), random.uniform(0.8, 0.95));
  }
}

void draw_rose(cairo_t* cr, Random& random) {
  draw_stem(cr, random, random.uniform(0.09, 0.13), 2);
  for (int i = random.integer(2, 4); i > 0; --i) {
    draw_leaf(cr, random, random.uniform(0, 2 * pi), random.uniform(1.15, 1.45), random.uniform(0.5, 0.75));
  }
  tilt(cr, random, 0.8);
  const Color color = rose_color(random);
  double turn = random.uniform(0, 2 * pi);
  constexpr int rings = 6;
  for (int ring = 0; ring < rings; ++ring) {
    const double depth = static_cast<double>(ring) / rings;
    const double distance = 0.56 * (1 - depth);
    const double radius = 0.46 * (1 - 0.72 * depth);
    const int count = ring < 3 ? 5 : 3;
    for (int i = 0; i < count; ++i) {
      const Saved saved(cr);
      cairo_rotate(cr, turn + 2 * pi * i / count + random.uniform(-0.12, 0.12));
      cairo_translate(cr, 0, -distance);
      cairo_scale(cr, 1.22, random.uniform(0.88, 1.0));
      const Color edge = shade(color, (1.1 - 0.38 * depth) * random.uniform(0.96, 1.04));
      const Pattern fill = radial(0, radius * 0.35, radius * 1.35);
      add_stop(fill, 0, shade(color, 0.5 - 0.12 * depth));
      add_stop(fill, 0.7, shade(edge, 0.88));
      add_stop(fill, 1, mix(edge, {1, 1, 1}, 0.16));
      disc(cr, 0, 0, radius);
      cairo_set_source(cr, fill.get());
      cairo_fill_preserve(cr);
      cairo_set_line_width(cr, 0.018);
      set_color(cr, shade(color, 0.42), 0.5);
      cairo_stroke(cr);
    }
    turn += 2 * pi / count * 0.5 + random.uniform(-0.1, 0.1);
  }
  cairo_new_path(cr);
  for (int i = 0; i < 90; ++i) {  // the rolled-up middle
    const double t = i / 90.0;
    cairo_line_to(cr, 0.2 * t * std::cos(turn + 15 * t), 0.2 * t * std::sin(turn + 15 * t));
  }
  cairo_set_line_width(cr, 0.03);
  set_color(cr, shade(color, 0.4), 0.8);
  cairo_stroke(cr);
}

void draw_sunflower(cairo_t* cr, Random& random) {
  draw_stem(cr, random, random.uniform(0.12, 0.18), random.integer(1, 2));
  tilt(cr, random, 0.65);
  const double hue = random.uniform(40, 50);
  const int count = random.integer(16, 24);
  const Petal petal{.inner = 0.3, .outer = 1, .width = 4.6 / count, .tip = 0.0};
  draw_ring(cr, random, count, petal, hsv(hue - 14, 0.95, 0.75), hsv(hue - 3, 0.92, 0.9));
  draw_ring(cr, random, count, petal, hsv(hue - 10, 0.95, 0.88), hsv(hue, 0.9, 0.99));
  const double radius = random.uniform(0.42, 0.52);
  const Color brown = hsv(random.uniform(18, 30), random.uniform(0.55, 0.8), random.uniform(0.2, 0.34));
  const Pattern centre = radial(0, 0, radius);
  add_stop(centre, 0, random.chance(0.4) ? hsv(70, 0.5, 0.42) : shade(brown, 0.8));
  add_stop(centre, 0.45, shade(brown, 0.7));
  add_stop(centre, 1, brown);
  disc(cr, 0, 0, radius);
  cairo_set_source(cr, centre.get());
  cairo_fill(cr);
  draw_seeds(cr, 190, radius * 0.97, 0.019, shade(brown, 1.5), mix(brown, hsv(35, 0.8, 0.75), 0.55));
}

Color tulip_color(Random& random) {
  switch (random.integer(0, 5)) {
    case 0:
      return hsv(random.uniform(352, 362), random.uniform(0.82, 0.95), random.uniform(0.75, 0.92));
    case 1:
      return hsv(random.uniform(46, 54), random.uniform(0.8, 0.95), random.uniform(0.93, 0.99));
    case 2:
      return hsv(random.uniform(275, 305), random.uniform(0.45, 0.75), random.uniform(0.5, 0.8));
    case 3:
      return hsv(random.uniform(320, 340), random.uniform(0.4, 0.7), random.uniform(0.9, 0.98));
    case 4:
      return hsv(random.uniform(18, 30), random.uniform(0.8, 0.92), random.uniform(0.92, 0.98));
    default:
      return hsv(random.uniform(50, 70), random.uniform(0.04, 0.12), random.uniform(0.93, 0.98));
  }
}

/// Seen from the side: a cup of petals on a stem between long leaves.
void draw_tulip(cairo_t* cr, Random& random) {
  cairo_rotate(cr, random.uniform(-0.35, 0.35));
  cairo_scale(cr, random.uniform(0.85, 1.05), 1);
  {
    const Saved saved(cr);
    cairo_translate(cr, 0, 0.85);
    draw_stem(cr, random, random.uniform(0.11, 0.16), 0);
    cairo_translate(cr, random.uniform(-0.1, 0.1), random.uniform(1.5, 2.2));
    draw_leaf(cr, random, random.uniform(0.25, 0.6), random.uniform(1.7, 2.4), random.uniform(0.4, 0.6));
    draw_leaf(cr, random, -random.uniform(0.25, 0.6), random.uniform(1.7, 2.4), random.uniform(0.4, 0.6));
  }
  const Color color = tulip_color(random);
  const Color glow = random.chance(0.35) ? hsv(50, 0.6, 1) : mix(color, {1, 1, 1}, 0.3);
  const double open = random.uniform(0.08, 0.3);
  const auto petal = [&](double lean, double width, double height, double light) {
    const Saved saved(cr);
    cairo_translate(cr, 0, 0.9);
    cairo_rotate(cr, lean);
    cairo_new_path(cr);
    cairo_move_to(cr, 0, 0);
    cairo_curve_to(cr, width, -0.1, width * 1.15, -height * 0.65, 0, -height);
    cairo_curve_to(cr, -width * 1.15, -height * 0.65, -width, -0.1, 0, 0);
    const Pattern fill = linear(0, 0, 0, -height);
    add_stop(fill, 0, shade(mix(color, {0.55, 0.7, 0.3}, 0.35), light));
    add_stop(fill, 0.3, shade(color, light));
    add_stop(fill, 1, shade(mix(color, glow, 0.55), light));
    cairo_set_source(cr, fill.get());
    cairo_fill_preserve(cr);
    cairo_set_line_width(cr, 0.022);
    set_color(cr, shade(color, 0.45), 0.55);
    cairo_stroke(cr);
  };
  petal(0, 0.62, 1.7, 0.68);
  petal(-open * 0.7, 0.55, 1.75, 0.74);
  petal(open * 0.7, 0.55, 1.75, 0.74);
  petal(-open - 0.12, 0.6, 1.78, 0.92);
  petal(open + 0.12, 0.6, 1.78, 0.86);
  petal(random.uniform(-0.06, 0.06), 0.72, 1.62, 1.0);
}

/// Out-of-focus blobs of light and leaves.
void draw_bokeh(cairo_t* cr, Random& random, double width, double height, const Color& tone, int count) {
  for (int i = 0; i < count; ++i) {
    const double radius = random.uniform(0.06, 0.32) * width;
    const double x = random.uniform(0, width);
    const double y = random.uniform(0, height);
    const Color other = random.chance(0.2)
                            ? hsv(random.uniform(0, 360), random.uniform(0.2, 0.7), random.uniform(0.5, 0.95))
                            : shade(tone, random.uniform(0.5, 1.7));
    const Pattern blob = radial(x, y, radius);
    add_stop(blob, 0, other, 0.5);
    add_stop(blob, 0.7, other, 0.35);
    add_stop(blob, 1, other, 0);
    disc(cr, x, y, radius);
    cairo_set_source(cr, blob.get());
    cairo_fill(cr);
  }
}

void draw_grass(cairo_t* cr, Random& random, double width, double height, double top) {
  for (int i = 0; i < 110; ++i) {
    const double x = random.uniform(-0.05, 1.05) * width;
    const double tall = random.uniform(0.4, 1.1) * (height - top);
    cairo_new_path(cr);
    cairo_move_to(cr, x, height);
    cairo_curve_to(cr, x, height - tall * 0.5, x + random.uniform(-0.05, 0.05) * width, height - tall * 0.8,
                   x + random.uniform(-0.12, 0.12) * width, height - tall);
    cairo_set_line_width(cr, random.uniform(0.004, 0.016) * width);
    set_color(cr, leaf_green(random), 0.8);
    cairo_stroke(cr);
  }
}

void draw_background(cairo_t* cr, Random& random, double width, double height) {
  const int kind = random.integer(0, 4);
  Color top = leaf_green(random);
  Color bottom = shade(top, random.uniform(0.5, 0.9));
  if (kind == 1) {  // sky over grass
    top = hsv(random.uniform(195, 220), random.uniform(0.25, 0.6), random.uniform(0.75, 0.98));
    bottom = mix(top, {1, 1, 1}, 0.5);
  } else if (kind == 2) {  // dark
    top = hsv(random.uniform(0, 360), random.uniform(0.1, 0.5), random.uniform(0.08, 0.22));
    bottom = shade(top, 0.5);
  } else if (kind == 3) {  // a wall
    top = hsv(random.uniform(0, 360), random.uniform(0.05, 0.35), random.uniform(0.6, 0.95));
    bottom = shade(top, random.uniform(0.7, 0.95));
  } else if (kind == 4) {  // earth
    top = hsv(random.uniform(20, 38), random.uniform(0.3, 0.5), random.uniform(0.3, 0.55));
    bottom = shade(top, random.uniform(0.6, 0.9));
  }
  const Pattern fill = linear(0, 0, random.uniform(-0.4, 0.4) * width, height);
  add_stop(fill, 0, top);
  add_stop(fill, 1, bottom);
  cairo_set_source(cr, fill.get());
  cairo_paint(cr);
  if (kind == 0 || kind == 4) draw_bokeh(cr, random, width, height, top, 34);
  if (kind == 2 && random.chance(0.5)) draw_bokeh(cr, random, width, height, top, 14);
  if (kind == 1) draw_grass(cr, random, width, height, height * random.uniform(0.35, 0.75));
  if (kind == 0 && random.chance(0.4))
    draw_grass(cr, random, width, height, height * random.uniform(0.5, 0.8));
}

struct Kind {
  const char* name;
  void (*draw)(cairo_t*, Random&);
};
constexpr Kind kinds[] = {{"daisy", draw_daisy},
                          {"dandelion", draw_dandelion},
                          {"roses", draw_rose},
                          {"sunflowers", draw_sunflower},
                          {"tulips", draw_tulip}};

void place(cairo_t* cr, Random& random, const Kind& kind, double x, double y, double radius) {
  const Saved saved(cr);
  cairo_translate(cr, x, y);
  cairo_scale(cr, radius, radius);
  kind.draw(cr, random);
}

void draw_light(cairo_t* cr, Random& random, double width, double height) {
  const double angle = random.uniform(0, 2 * pi);
  const Pattern light = linear(width * (0.5 + 0.6 * std::cos(angle)), height * (0.5 + 0.6 * std::sin(angle)),
                               width * (0.5 - 0.6 * std::cos(angle)), height * (0.5 - 0.6 * std::sin(angle)));
  add_stop(light, 0, {1, 0.96, 0.85}, random.uniform(0, 0.28));
  add_stop(light, 0.5, {0.5, 0.5, 0.5}, 0);
  add_stop(light, 1, {0, 0, 0.08}, random.uniform(0, 0.4));
  cairo_set_source(cr, light.get());
  cairo_paint(cr);
}

/// A camera's noise, so that no area is perfectly flat.
void add_noise(cairo_surface_t* surface, Random& random) {
  cairo_surface_flush(surface);
  const int width = cairo_image_surface_get_width(surface);
  const int height = cairo_image_surface_get_height(surface);
  const int stride = cairo_image_surface_get_stride(surface);
  std::uint8_t* data = cairo_image_surface_get_data(surface);
  const double strength = random.uniform(1, 7);
  for (int y = 0; y < height; ++y) {
    std::uint8_t* row = data + static_cast<std::ptrdiff_t>(y) * stride;
    for (int i = 0; i < 4 * width; ++i) {
      const double noisy = row[i] + strength * (random.uniform(-1, 1) + random.uniform(-1, 1));
      row[i] = static_cast<std::uint8_t>(std::clamp(noisy, 0.0, 255.0));
    }
  }
  cairo_surface_mark_dirty(surface);
}

void draw_picture(const Kind& kind, Random& random, int size, const std::filesystem::path& path) {
  const int width = size;
  const int height = static_cast<int>(std::lround(size * random.uniform(0.75, 1.1)));
  const std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)> surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height), cairo_surface_destroy);
  const std::unique_ptr<cairo_t, decltype(&cairo_destroy)> context(cairo_create(surface.get()),
                                                                   cairo_destroy);
  cairo_t* cr = context.get();
  cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
  draw_background(cr, random, width, height);
  const double side = std::min(width, height);
  if (random.chance(0.35)) {
    for (int i = random.integer(1, 3); i > 0; --i) {
      place(cr, random, kind, random.uniform(0.05, 0.95) * width, random.uniform(0.1, 0.9) * height,
            random.uniform(0.1, 0.2) * side);
    }
  }
  place(cr, random, kind, random.uniform(0.36, 0.64) * width, random.uniform(0.34, 0.6) * height,
        random.uniform(0.24, 0.44) * side);
  draw_light(cr, random, width, height);
  add_noise(surface.get(), random);
  const cairo_status_t status = cairo_surface_write_to_png(surface.get(), path.c_str());
  if (status != CAIRO_STATUS_SUCCESS) {
    throw std::runtime_error("cannot write " + path.string() + ": " + cairo_status_to_string(status));
  }
}

struct Options {
  std::string output;
  int per_class = 100;
  int size = 160;
  unsigned seed = 1;
  bool flat = false;
};

void draw_all(const Options& options) {
  for (std::size_t label = 0; label < std::size(kinds); ++label) {
    for (int i = 0; i < options.per_class; ++i) {
      const std::filesystem::path split = options.flat ? "" : i % 5 == 4 ? "val" : "train";
      const std::filesystem::path folder = std::filesystem::path(options.output) / split / kinds[label].name;
      std::filesystem::create_directories(folder);
      char name[32];
      std::snprintf(name, sizeof name, "%s-%04d.png", kinds[label].name, i + 1);
      std::seed_seq sequence{options.seed, static_cast<unsigned>(label), static_cast<unsigned>(i)};
      std::uint32_t words[2];
      sequence.generate(std::begin(words), std::end(words));
      Random random((static_cast<std::uint64_t>(words[0]) << 32U) | words[1]);
      draw_picture(kinds[label], random, options.size, folder / name);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Draws a labelled set of synthetic flower pictures: daisy, dandelion, roses, sunflowers, tulips."};
  app.add_option("OUTPUT", options.output, "folder to write")->required();
  app.add_option("--per-class", options.per_class, "pictures of each class; every fifth goes to val/")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--size", options.size, "width in pixels")
      ->check(CLI::Range(16, 4096))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "another seed, other pictures")->capture_default_str();
  app.add_flag("--flat", options.flat, "OUTPUT/CLASS/ without train/ and val/");
  CLI11_PARSE(app, argc, argv);
  try {
    draw_all(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "draw-flowers: %s\n", error.what());
    return 1;
  }
  return 0;
}
