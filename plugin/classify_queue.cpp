#include "plugin/classify_queue.h"

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

bool ClassifyQueue::push(Item item) {
  {
    const std::lock_guard lock(mutex_);
    if ((item.request ? buffer_flow() : flow_) != GST_FLOW_OK) {
      gst_mini_object_unref(item.object);
      return false;
    }
    if (item.request) ++buffers_;
    items_.push_back(std::move(item));
  }
  changed_.notify_all();
  return true;
}

std::optional<bool> ClassifyQueue::push_query(GstQuery* query) {
  std::unique_lock lock(mutex_);
  if (flow_ != GST_FLOW_OK) return std::nullopt;
  query_answer_.reset();
  query_pending_ = true;
  items_.push_back({.object = GST_MINI_OBJECT_CAST(query)});
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
  const auto may_leave = [&] {
    return !items_.empty() &&
           (!items_.front().request || items_.front().request->state == EngineRequest::State::done);
  };
  changed_.wait(lock, [&] { return flow_ != GST_FLOW_OK || may_leave(); });
  if (flow_ != GST_FLOW_OK) return std::nullopt;
  Item item = std::move(items_.front());
  items_.pop_front();
  if (item.request) --buffers_;
  lock.unlock();
  changed_.notify_all();
  return item;
}

GstClockTime ClassifyQueue::oldest_deadline() {
  const std::lock_guard lock(mutex_);
  for (const Item& item : items_) {
    if (item.request && item.request->state == EngineRequest::State::waiting) return item.deadline;
  }
  return GST_CLOCK_TIME_NONE;
}

void ClassifyQueue::clear() {
  for (const Item& item : items_) {
    if (GST_IS_QUERY(item.object)) {
      query_pending_ = false;  // one that was popped stays pending until it is answered: its caller owns it
    } else {
      gst_mini_object_unref(item.object);
    }
  }
  items_.clear();
  buffers_ = 0;
}

void ClassifyQueue::start() {
  const std::lock_guard lock(mutex_);
  clear();
  refuse_buffers_ = false;
  flow_ = GST_FLOW_OK;
}

void ClassifyQueue::stop(GstFlowReturn flow) {
  {
    const std::lock_guard lock(mutex_);
    flow_ = flow;
    clear();
  }
  changed_.notify_all();
}

void ClassifyQueue::flush(GstPad* source_pad) {
  {
    const std::lock_guard lock(mutex_);
    for (const Item& item : items_) {
      if (!GST_IS_EVENT(item.object)) continue;
      GstEvent* event = GST_EVENT_CAST(item.object);
      const GstEventType type = GST_EVENT_TYPE(event);
      if (GST_EVENT_IS_STICKY(event) && type != GST_EVENT_SEGMENT && type != GST_EVENT_EOS) {
        gst_pad_store_sticky_event(source_pad, event);
      }
    }
    flow_ = GST_FLOW_FLUSHING;
    clear();
  }
  changed_.notify_all();
}

bool ClassifyQueue::restart_after(GstFlowReturn flow) {
  const std::lock_guard lock(mutex_);
  if (flow_ != flow) return false;
  flow_ = GST_FLOW_OK;
  return true;
}

void ClassifyQueue::refuse_buffers() {
  {
    const std::lock_guard lock(mutex_);
    refuse_buffers_ = true;
    std::erase_if(items_, [](const Item& item) {
      if (item.request) gst_mini_object_unref(item.object);
      return item.request != nullptr;
    });
    buffers_ = 0;
  }
  changed_.notify_all();
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
