#include "plugin/wall_clock.h"

#include <cstdio>
#include <ctime>

namespace resnet {
namespace {

// NTP counts from 1900.
constexpr GstClockTime ntp_offset = G_GUINT64_CONSTANT(2208988800) * GST_SECOND;

GstClockTime reference_time(GstBuffer* buffer, GstStaticCaps& reference) {
  GstCaps* caps = gst_static_caps_get(&reference);
  const GstReferenceTimestampMeta* meta = gst_buffer_get_reference_timestamp_meta(buffer, caps);
  gst_caps_unref(caps);
  return meta ? meta->timestamp : GST_CLOCK_TIME_NONE;
}

}  // namespace

std::string utc_text(GstClockTime since_1970) {
  const auto seconds = static_cast<std::time_t>(since_1970 / GST_SECOND);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", utc.tm_year + 1900, utc.tm_mon + 1,
                utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<unsigned>(since_1970 % GST_SECOND / GST_USECOND));
  return text;
}

GstClockTime capture_time(GstBuffer* buffer) {
  static GstStaticCaps unix_caps = GST_STATIC_CAPS("timestamp/x-unix");
  static GstStaticCaps ntp_caps = GST_STATIC_CAPS("timestamp/x-ntp");
  const GstClockTime unix_time = reference_time(buffer, unix_caps);
  if (GST_CLOCK_TIME_IS_VALID(unix_time)) return unix_time;
  const GstClockTime ntp_time = reference_time(buffer, ntp_caps);
  return GST_CLOCK_TIME_IS_VALID(ntp_time) && ntp_time >= ntp_offset ? ntp_time - ntp_offset
                                                                     : GST_CLOCK_TIME_NONE;
}

}  // namespace resnet
