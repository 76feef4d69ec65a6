// contact-sheet: a grid of frames of a video as one PNG.
//
//   contact-sheet labelled.webm sheet.png --frames 15 --columns 5

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <cairo.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

namespace {

struct Options {
  std::string video, sheet;
  int frames = 15, columns = 5, width = 320;
};

struct ObjectDeleter {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
struct PipelineDeleter {
  void operator()(GstElement* pipeline) const {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
};
struct SampleDeleter {
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
};
struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
using Sample = std::unique_ptr<GstSample, SampleDeleter>;

/// Decodes a file to BGRx frames.
class Decoder {
 public:
  explicit Decoder(const std::string& path) {
    gchar* uri = gst_filename_to_uri(path.c_str(), nullptr);
    if (uri == nullptr) throw std::runtime_error("not a file name: " + path);
    const std::string description = std::string("uridecodebin name=decode uri=\"") + uri +
                                    "\" ! videoconvert name=convert ! video/x-raw,format=BGRx ! appsink "
                                    "name=sink sync=false max-buffers=4";
    g_free(uri);
    pipeline_.reset(gst_parse_launch(description.c_str(), nullptr));
    if (!pipeline_) throw std::runtime_error("GStreamer lacks uridecodebin, videoconvert or appsink");
    sink_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "sink"));
    convert_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "convert"));
    const Element decode(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "decode"));
    g_signal_connect(decode.get(), "no-more-pads", G_CALLBACK(on_no_more_pads), this);
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  }

  /// The next frame; null at the end. Throws the pipeline's error.
  Sample next() {
    while (true) {  // an error ends no appsink: look for one while waiting
      Sample sample(gst_app_sink_try_pull_sample(GST_APP_SINK(sink_.get()), 50 * GST_MSECOND));
      if (sample) return sample;
      check();
      if (without_video_) throw std::runtime_error("there is no video in it");
      if (gst_app_sink_is_eos(GST_APP_SINK(sink_.get())) != FALSE) return nullptr;
    }
  }

 private:
  using Element = std::unique_ptr<GstElement, ObjectDeleter>;

  // Text or sound alone is linked to nothing, so that nothing would ever arrive at the sink.
  static void on_no_more_pads(GstElement* /*decode*/, Decoder* self) {
    const std::unique_ptr<GstPad, ObjectDeleter> pad(
        gst_element_get_static_pad(self->convert_.get(), "sink"));
    self->without_video_ = gst_pad_is_linked(pad.get()) == FALSE;
  }

  void check() {
    const std::unique_ptr<GstBus, ObjectDeleter> bus(gst_element_get_bus(pipeline_.get()));
    GstMessage* message = gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR);
    if (message == nullptr) return;
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    const std::string text = error->message;
    g_error_free(error);
    gst_message_unref(message);
    throw std::runtime_error(text);
  }

  std::atomic<bool> without_video_{false};  // written by a thread of the pipeline
  Element convert_;
  std::unique_ptr<GstElement, PipelineDeleter> pipeline_;
  Element sink_;
};

int count_frames(const Options& options) {
  Decoder decoder(options.video);
  int count = 0;
  while (decoder.next()) ++count;
  return count;
}

/// Paints a frame into the cell whose top left corner is (x, y), scaled to the cell's width.
void paint_frame(cairo_t* cr, const GstVideoInfo& info, GstBuffer* buffer, double x, double y, int width) {
  GstVideoFrame frame;
  if (gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ) == FALSE) {
    throw std::runtime_error("cannot map a frame");
  }
  const std::unique_ptr<cairo_surface_t, SurfaceDeleter> surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, info.width, info.height));
  cairo_surface_flush(surface.get());
  for (int row = 0; row < info.height; ++row) {
    std::memcpy(cairo_image_surface_get_data(surface.get()) +
                    static_cast<std::ptrdiff_t>(row) * cairo_image_surface_get_stride(surface.get()),
                static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                    static_cast<std::ptrdiff_t>(row) * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0),
                static_cast<std::size_t>(info.width) * 4);
  }
  gst_video_frame_unmap(&frame);
  cairo_surface_mark_dirty(surface.get());
  const double scale = static_cast<double>(width) / info.width;
  cairo_save(cr);
  cairo_translate(cr, x, y);
  cairo_scale(cr, scale, scale);
  cairo_set_source_surface(cr, surface.get(), 0, 0);
  cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_BEST);
  cairo_paint(cr);
  cairo_restore(cr);
}

void make_sheet(const Options& options) {
  constexpr int gap = 6;
  const int count = count_frames(options);
  if (count == 0) throw std::runtime_error(options.video + " has no video frames");
  const int wanted = std::min(options.frames, count);
  const int rows = (wanted + options.columns - 1) / options.columns;
  std::unique_ptr<cairo_surface_t, SurfaceDeleter> sheet;
  std::unique_ptr<cairo_t, decltype(&cairo_destroy)> cr(nullptr, cairo_destroy);
  int cell_height = 0;
  Decoder decoder(options.video);
  int cell = 0;
  for (int i = 0; i < count && cell < wanted; ++i) {
    const Sample sample = decoder.next();
    if (!sample) break;
    if (static_cast<std::int64_t>(i) <
        (2 * static_cast<std::int64_t>(cell) + 1) * count / (std::int64_t{2} * wanted))
      continue;
    GstVideoInfo info;
    if (gst_video_info_from_caps(&info, gst_sample_get_caps(sample.get())) == FALSE) {
      throw std::runtime_error("the decoder's caps are not understood");
    }
    if (!sheet) {
      cell_height = std::max(1, options.width * info.height / info.width);
      sheet.reset(cairo_image_surface_create(CAIRO_FORMAT_RGB24,
                                             options.columns * (options.width + gap) + gap,
                                             rows * (cell_height + gap) + gap));
      cr.reset(cairo_create(sheet.get()));
      cairo_set_source_rgb(cr.get(), 0.12, 0.12, 0.13);
      cairo_paint(cr.get());
    }
    const int x = gap + cell % options.columns * (options.width + gap);
    const int y = gap + cell / options.columns * (cell_height + gap);
    paint_frame(cr.get(), info, gst_sample_get_buffer(sample.get()), x, y, options.width);
    ++cell;
  }
  const cairo_status_t status = cairo_surface_write_to_png(sheet.get(), options.sheet.c_str());
  if (status != CAIRO_STATUS_SUCCESS) {
    throw std::runtime_error("cannot write " + options.sheet + ": " + cairo_status_to_string(status));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Makes one PNG of frames spread evenly over a video."};
  app.add_option("VIDEO", options.video, "any file that GStreamer plays")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("SHEET", options.sheet, "the PNG to write")->required();
  app.add_option("--frames", options.frames, "how many")->check(CLI::Range(1, 400))->capture_default_str();
  app.add_option("--columns", options.columns, "in a row")->check(CLI::Range(1, 40))->capture_default_str();
  app.add_option("--width", options.width, "of a frame, in pixels")
      ->check(CLI::Range(16, 1920))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  gst_init(nullptr, nullptr);
  try {
    make_sheet(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "contact-sheet: %s\n", error.what());
    return 1;
  }
  return 0;
}
