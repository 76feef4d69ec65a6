#ifndef RESNET_TESTS_PLUGIN_FIXTURE_H
#define RESNET_TESTS_PLUGIN_FIXTURE_H

#include <string>
#include <vector>

#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <gtest/gtest.h>

#include "model/pixel_layout.h"
#include "plugin/classification_meta.h"

namespace resnet {

/// Whether a sanitizer watches this program, whose memory then is not ours to count or limit.
#ifdef RESNET_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

inline Classification flowers() {
  return {"flowers.pth", "sha256:00ff", "camera 1",
          40'000'000,    false,         {{4, "tulips", 0.75}, {1, "蒲公英", 0.25}}};
}

/// A frame of one grey, 25 a second.
inline GstBuffer* new_frame(const GstVideoInfo& info, guint8 value, int number = 0) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
  gst_buffer_memset(buffer, 0, value, GST_VIDEO_INFO_SIZE(&info));
  GST_BUFFER_PTS(buffer) = static_cast<guint64>(number) * 40 * GST_MSECOND;
  GST_BUFFER_DURATION(buffer) = 40 * GST_MSECOND;
  return buffer;
}

inline std::string caps_text(GstVideoFormat format, int width, int height) {
  return std::string("video/x-raw, format=") + gst_video_format_to_string(format) +
         ", width=" + std::to_string(width) + ", height=" + std::to_string(height) + ", framerate=25/1";
}

/// What an element makes of those caps: colours and siting that they do not name depend on GStreamer's
/// version.
inline GstVideoInfo video_info(GstVideoFormat format, guint width, guint height) {
  GstVideoInfo info;
  GstCaps* caps =
      gst_caps_from_string(caps_text(format, static_cast<int>(width), static_cast<int>(height)).c_str());
  gst_video_info_from_caps(&info, caps);
  gst_caps_unref(caps);
  return info;
}

/// What resnetclassify takes.
inline std::vector<GstVideoFormat> every_format() {
  std::vector<GstVideoFormat> formats;
  for (const PixelLayout& layout : pixel_layouts)
    formats.push_back(gst_video_format_from_string(std::string(layout.name).c_str()));
  return formats;
}

/// What an element says on its bus.
struct Message {
  GQuark domain = 0;
  int code = 0;
  std::string text;  ///< empty: neither an error nor a warning
};

/// Takes the message.
inline Message read_message(GstMessage* message) {
  if (!message) return {};
  GError* error = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) gst_message_parse_error(message, &error, nullptr);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) gst_message_parse_warning(message, &error, nullptr);
  gst_message_unref(message);
  if (!error) return {};
  Message result{error->domain, error->code, error->message};
  g_error_free(error);
  return result;
}

/// The first error, or warning, that is on the bus or comes within that time.
inline Message pop_message(GstBus* bus, GstMessageType type = GST_MESSAGE_ERROR, GstClockTime patience = 0) {
  return read_message(gst_bus_timed_pop_filtered(bus, patience, type));
}

/// The bytes of a buffer.
inline std::string bytes_of(GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return {};
  std::string bytes(reinterpret_cast<const char*>(map.data), map.size);
  gst_buffer_unmap(buffer, &map);
  return bytes;
}

}  // namespace resnet

#endif
