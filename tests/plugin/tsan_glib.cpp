// What ThreadSanitizer must know of GLib and GStreamer, which are not built with it: their mutexes and
// conditions are futexes that it does not see, and their reference counts, queues and thread pools order
// memory too. Each function here is called in place of the library's, tells the sanitizer of the order, and
// calls the library's. Part of the test programs when they are built with -Db_sanitize=thread.
#include <dlfcn.h>
#include <gst/gst.h>
#include <sanitizer/tsan_interface.h>

namespace {

void acquire(void* address) { __tsan_acquire(address); }
void release(void* address) { __tsan_release(address); }
// As an atomic read-modify-write does, a reference count's for example.
void synchronise(void* address) {
  if (address == nullptr) return;
  acquire(address);
  release(address);
}

template <typename Function>
Function* find_next(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// What a thread pool calls: the task was written before it was pushed.
struct PoolFunction {
  GFunc function;
  gpointer data;
};
void call_pool_function(gpointer task, gpointer data) {
  const auto* wrapped = static_cast<const PoolFunction*>(data);
  acquire(task);
  wrapped->function(task, wrapped->data);
}

}  // namespace

#define NEXT(function) \
  static auto* const next = find_next(static_cast<decltype(&function)>(nullptr), #function)
#define REPLACES extern "C" __attribute__((visibility("default")))

REPLACES void g_mutex_lock(GMutex* mutex) {
  NEXT(g_mutex_lock);
  next(mutex);
  acquire(mutex);
}
REPLACES gboolean g_mutex_trylock(GMutex* mutex) {
  NEXT(g_mutex_trylock);
  if (!next(mutex)) return FALSE;
  acquire(mutex);
  return TRUE;
}
REPLACES void g_mutex_unlock(GMutex* mutex) {
  NEXT(g_mutex_unlock);
  release(mutex);
  next(mutex);
}
REPLACES void g_cond_wait(GCond* cond, GMutex* mutex) {
  NEXT(g_cond_wait);
  release(mutex);
  next(cond, mutex);
  acquire(mutex);
}
REPLACES gboolean g_cond_wait_until(GCond* cond, GMutex* mutex, gint64 end_time) {
  NEXT(g_cond_wait_until);
  release(mutex);
  const gboolean signalled = next(cond, mutex, end_time);
  acquire(mutex);
  return signalled;
}

// These two are pthread's, which the suppressions of libglib hide.
REPLACES void g_rec_mutex_lock(GRecMutex* mutex) {
  NEXT(g_rec_mutex_lock);
  next(mutex);
  acquire(mutex);
}
REPLACES gboolean g_rec_mutex_trylock(GRecMutex* mutex) {
  NEXT(g_rec_mutex_trylock);
  if (!next(mutex)) return FALSE;
  acquire(mutex);
  return TRUE;
}
REPLACES void g_rec_mutex_unlock(GRecMutex* mutex) {
  NEXT(g_rec_mutex_unlock);
  release(mutex);
  next(mutex);
}

REPLACES gpointer(g_object_ref)(gpointer object) {
  NEXT(g_object_ref);
  synchronise(object);
  return next(object);
}
REPLACES void g_object_unref(gpointer object) {
  NEXT(g_object_unref);
  synchronise(object);
  next(object);
}
REPLACES gpointer gst_object_ref(gpointer object) {
  NEXT(gst_object_ref);
  synchronise(object);
  return next(object);
}
REPLACES void gst_object_unref(gpointer object) {
  NEXT(gst_object_unref);
  synchronise(object);
  next(object);
}
REPLACES GstMiniObject* gst_mini_object_ref(GstMiniObject* object) {
  NEXT(gst_mini_object_ref);
  synchronise(object);
  return next(object);
}
REPLACES void gst_mini_object_unref(GstMiniObject* object) {
  NEXT(gst_mini_object_unref);
  synchronise(object);
  next(object);
}

// A pool keeps what was given back without a lock; the last reference went in gst_mini_object_unref.
REPLACES GstFlowReturn gst_buffer_pool_acquire_buffer(GstBufferPool* pool, GstBuffer** buffer,
                                                      GstBufferPoolAcquireParams* params) {
  NEXT(gst_buffer_pool_acquire_buffer);
  const GstFlowReturn flow = next(pool, buffer, params);
  if (flow == GST_FLOW_OK) acquire(*buffer);
  return flow;
}

REPLACES void g_async_queue_push(GAsyncQueue* queue, gpointer data) {
  NEXT(g_async_queue_push);
  release(queue);
  next(queue, data);
}
REPLACES gpointer g_async_queue_try_pop(GAsyncQueue* queue) {
  NEXT(g_async_queue_try_pop);
  gpointer data = next(queue);
  acquire(queue);
  return data;
}
REPLACES gpointer g_async_queue_timeout_pop(GAsyncQueue* queue, guint64 timeout) {
  NEXT(g_async_queue_timeout_pop);
  gpointer data = next(queue, timeout);
  acquire(queue);
  return data;
}

REPLACES GThreadPool* g_thread_pool_new(GFunc function, gpointer data, gint most, gboolean exclusive,
                                        GError** error) {
  NEXT(g_thread_pool_new);
  return next(call_pool_function, new PoolFunction{function, data}, most, exclusive, error);
}
REPLACES gboolean g_thread_pool_push(GThreadPool* pool, gpointer task, GError** error) {
  NEXT(g_thread_pool_push);
  release(task);
  return next(pool, task, error);
}
