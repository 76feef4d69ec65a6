#ifndef RESNET_PLUGIN_CLASSIFY_QUEUE_H
#define RESNET_PLUGIN_CLASSIFY_QUEUE_H

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

#include <gst/gst.h>

#include "plugin/classify_job.h"

namespace resnet {

/// Buffers, serialised events and serialised queries in the order they came, from the streaming thread of the
/// sink pad to the task of the source pad. A buffer leaves when its results are there; nothing overtakes
/// anything.
class ClassifyQueue final : public EngineListener {
 public:
  struct Item {
    GstMiniObject* object = nullptr;     ///< owned, but a query's caller owns the query
    std::shared_ptr<ClassifyJob> job{};  ///< of a buffer
    bool released = false;               ///< leaves without its results
  };

  ~ClassifyQueue() override { clear(); }

  /// Whether wait_for_room(most) would wait now.
  bool full(unsigned most);
  /// Waits until fewer than `most` buffers are queued. @return the flow to return when it is not OK
  GstFlowReturn wait_for_room(unsigned most);
  /// Lets the oldest buffers go without their results, as many as make room for one more.
  void release_for_room(unsigned most);
  /// Takes the object. @return false, and the object is gone, when the queue is stopped
  bool push(Item item);
  /// Queues a query and waits for its turn; @return its answer, or nothing when the queue was stopped.
  std::optional<bool> push_query(GstQuery* query);
  void answer_query(bool result);

  /// The oldest item, once it may leave; nothing when the queue is stopped.
  std::optional<Item> pop();

  /// The deadline of the oldest buffer whose batch has not gone; GST_CLOCK_TIME_NONE: there is none.
  GstClockTime oldest_deadline();
  /// Buffers in the queue.
  unsigned size();

  void start();
  /// Every wait ends; what was in the queue is dropped.
  void stop(GstFlowReturn flow);
  /// Downstream returned that: every wait ends. What is queued stays for the flush() or restart_after() that
  /// follows on FLUSHING and NOT_LINKED, and is dropped otherwise.
  /// @return whether an EOS was in the queue
  bool halt(GstFlowReturn flow);
  /// The same for a flush: sticky events that outlive one (STREAM_START, CAPS, TAG, …) are stored on the pad.
  void flush(GstPad* source_pad);
  /// Starts again when it was stopped with that flow. @return whether it was
  bool restart_after(GstFlowReturn flow);
  /// Downstream wants no more frames: those queued are dropped and new ones get EOS, but events and queries
  /// still pass, until accept_buffers().
  void refuse_buffers();
  void accept_buffers();
  GstFlowReturn flow();

  void results_ready() noexcept override;

 private:
  using Items = std::list<Item>;  // which nothing but push() allocates for

  static bool is_buffer(const Item& item) { return GST_IS_BUFFER(item.object); }
  static bool may_leave(const Item& item) { return !is_buffer(item) || item.released || item.job->done(); }
  static void drop(Items& items);
  void drop_queries();
  Items take_all();
  void clear();
  GstFlowReturn buffer_flow() const { return flow_ == GST_FLOW_OK && refuse_buffers_ ? GST_FLOW_EOS : flow_; }

  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  Items items_;
  unsigned buffers_ = 0;  // in items_
  GstFlowReturn flow_ = GST_FLOW_FLUSHING;
  bool refuse_buffers_ = false;
  bool query_pending_ = false;
  std::optional<bool> query_answer_;
};

}  // namespace resnet

#endif
