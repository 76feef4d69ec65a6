#include "plugin/allocation_query.h"

#include <algorithm>

#include <gst/video/video.h>

namespace resnet {

void add_held_buffers(GstQuery* query, guint held) {
  const guint pools = gst_query_get_n_allocation_pools(query);
  for (guint i = 0; i < pools; ++i) {
    GstBufferPool* pool = nullptr;
    guint size = 0, least = 0, most = 0;
    gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &least, &most);
    least += held;
    if (most != 0) most = std::max(most, least);
    gst_query_set_nth_allocation_pool(query, i, pool, size, least, most);
    if (pool) gst_object_unref(pool);
  }
  GstCaps* caps = nullptr;
  GstVideoInfo info;
  gst_query_parse_allocation(query, &caps, nullptr);
  if (pools == 0 && caps && gst_video_info_from_caps(&info, caps)) {
    gst_query_add_allocation_pool(query, nullptr, static_cast<guint>(info.size), held, 0);
  }
}

}  // namespace resnet
