#include "plugin/classify_queue.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace resnet {

bool ClassifyQueue::full(unsigned most) {
  const std::lock_guard lock(mutex_);
  return buffer_flow() == GST_FLOW_OK && buffers_ >= most;
}

GstFlowReturn ClassifyQueue::wait_for_room(unsigned most) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return buffer_flow() != GST_FLOW_OK || buffers_ < most; });
  return buffer_flow();
}

void ClassifyQueue::release_for_room(unsigned most) {
  {
    const std::lock_guard lock(mutex_);
    unsigned left = buffers_;
    for (Item& item : items_) {
      if (left < most) break;
      if (!is_buffer(item)) continue;
      item.released = true;
      --left;
    }
  }
  changed_.notify_all();
}

unsigned ClassifyQueue::size() {
  const std::lock_guard lock(mutex_);
  return buffers_;
}

bool ClassifyQueue::push(Item item) {
  std::unique_ptr<GstMiniObject, decltype(&gst_mini_object_unref)> unless_queued(item.object,
                                                                                 gst_mini_object_unref);
  bool is_front = false;
  {
    const std::lock_guard lock(mutex_);
    const bool buffer = is_buffer(item);
    if ((buffer ? buffer_flow() : flow_) != GST_FLOW_OK) return false;
    items_.push_back(std::move(item));
    items_.back().object = unless_queued.release();
    if (buffer) ++buffers_;
    is_front = items_.size() == 1;
  }
  if (is_front) changed_.notify_all();  // pop() waits for no other
  return true;
}

std::optional<bool> ClassifyQueue::push_query(GstQuery* query) {
  std::unique_lock lock(mutex_);
  if (flow_ != GST_FLOW_OK) return std::nullopt;
  items_.push_back({.object = GST_MINI_OBJECT_CAST(query)});
  query_answer_.reset();
  query_pending_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return query_answer_.has_value() || !query_pending_; });
  query_pending_ = false;
  return std::exchange(query_answer_, std::nullopt);
}

void ClassifyQueue::answer_query(bool result) {
  {
    const std::lock_guard lock(mutex_);
    query_answer_ = result;
  }
  changed_.notify_all();
}

std::optional<ClassifyQueue::Item> ClassifyQueue::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return flow_ != GST_FLOW_OK || (!items_.empty() && may_leave(items_.front())); });
  if (flow_ != GST_FLOW_OK) return std::nullopt;
  Item item = std::move(items_.front());
  items_.pop_front();
  if (is_buffer(item)) --buffers_;
  lock.unlock();
  changed_.notify_all();
  return item;
}

GstClockTime ClassifyQueue::oldest_deadline() {
  const std::lock_guard lock(mutex_);
  for (const Item& item : items_) {
    if (is_buffer(item) && item.job->waiting()) return item.job->deadline;
  }
  return GST_CLOCK_TIME_NONE;
}

// The caller holds the lock. A query is its caller's, who wakes up now; one that was popped stays pending
// until it is answered.
void ClassifyQueue::drop_queries() {
  const auto is_query = [](const Item& item) { return GST_IS_QUERY(item.object); };
  if (std::erase_if(items_, is_query) > 0) query_pending_ = false;
}

// The caller holds the lock, and drops the items without it: a job's model may go with it.
ClassifyQueue::Items ClassifyQueue::take_all() {
  drop_queries();
  buffers_ = 0;
  return std::exchange(items_, {});
}

void ClassifyQueue::drop(Items& items) {
  for (const Item& item : items) gst_mini_object_unref(item.object);
  items.clear();
}

void ClassifyQueue::clear() {
  Items items;
  {
    const std::lock_guard lock(mutex_);
    items = take_all();
  }
  drop(items);
}

void ClassifyQueue::start() {
  clear();
  const std::lock_guard lock(mutex_);
  refuse_buffers_ = false;
  flow_ = GST_FLOW_OK;
}

void ClassifyQueue::stop(GstFlowReturn flow) {
  Items items;
  {
    const std::lock_guard lock(mutex_);
    flow_ = flow;
    items = take_all();
  }
  changed_.notify_all();
  drop(items);
}

bool ClassifyQueue::halt(GstFlowReturn flow) {
  Items items;
  bool eos = false;
  {
    const std::lock_guard lock(mutex_);
    flow_ = flow;
    eos = std::any_of(items_.begin(), items_.end(), [](const Item& item) {
      return GST_IS_EVENT(item.object) && GST_EVENT_TYPE(item.object) == GST_EVENT_EOS;
    });
    if (flow == GST_FLOW_FLUSHING || flow == GST_FLOW_NOT_LINKED) {
      drop_queries();
    } else {
      items = take_all();
    }
  }
  changed_.notify_all();
  drop(items);
  return eos;
}

void ClassifyQueue::flush(GstPad* source_pad) {
  Items items;
  {
    const std::lock_guard lock(mutex_);
    flow_ = GST_FLOW_FLUSHING;
    items = take_all();
  }
  changed_.notify_all();
  for (const Item& item : items) {
    if (!GST_IS_EVENT(item.object)) continue;
    GstEvent* event = GST_EVENT_CAST(item.object);
    const GstEventType type = GST_EVENT_TYPE(event);
    if (GST_EVENT_IS_STICKY(event) && type != GST_EVENT_SEGMENT && type != GST_EVENT_EOS) {
      gst_pad_store_sticky_event(source_pad, event);
    }
  }
  drop(items);
}

bool ClassifyQueue::restart_after(GstFlowReturn flow) {
  const std::lock_guard lock(mutex_);
  if (flow_ != flow) return false;
  flow_ = GST_FLOW_OK;
  return true;
}

void ClassifyQueue::refuse_buffers() {
  Items refused;
  {
    const std::lock_guard lock(mutex_);
    refuse_buffers_ = true;
    for (auto item = items_.begin(); item != items_.end();) {
      const auto next = std::next(item);
      if (is_buffer(*item)) refused.splice(refused.end(), items_, item);
      item = next;
    }
    buffers_ = 0;
  }
  changed_.notify_all();
  drop(refused);
}

void ClassifyQueue::accept_buffers() {
  const std::lock_guard lock(mutex_);
  refuse_buffers_ = false;
}

GstFlowReturn ClassifyQueue::flow() {
  const std::lock_guard lock(mutex_);
  return buffer_flow();
}

void ClassifyQueue::results_ready() noexcept {
  // The lock makes sure that a pop() which has just looked is already waiting.
  { const std::lock_guard lock(mutex_); }
  changed_.notify_all();
}

}  // namespace resnet
