#ifndef RESNET_PLUGIN_GST_PTR_H
#define RESNET_PLUGIN_GST_PTR_H

#include <memory>

#include <gst/gst.h>

namespace resnet {

struct GstUnref {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
  void operator()(GstClock* clock) const { gst_object_unref(clock); }
};

/// Owners, which let go when an exception passes.
using BufferPtr = std::unique_ptr<GstBuffer, GstUnref>;
using ClockPtr = std::unique_ptr<GstClock, GstUnref>;

/// gst_buffer_make_writable: the buffer itself, or a copy where others hold it too.
inline BufferPtr make_writable(BufferPtr buffer) {
  return BufferPtr(gst_buffer_make_writable(buffer.release()));
}

}  // namespace resnet

#endif
