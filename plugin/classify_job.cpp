#include "plugin/classify_job.h"

#include <algorithm>
#include <chrono>

namespace resnet {

guint64 steady_time() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<guint64>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

ClassifyJob::Part& ClassifyJob::add_part() {
  if (used == parts.size()) parts.emplace_back();
  Part& part = parts[used++];
  // A request that a flush left behind may still be in the engine.
  if (!part.request || part.request.use_count() > 1) part.request = std::make_shared<EngineRequest>();
  part.number = -1;
  return part;
}

bool ClassifyJob::done() const {
  return std::all_of(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(used),
                     [](const Part& part) { return part.request->state == EngineRequest::State::done; });
}

guint64 ClassifyJob::done_time() const {
  guint64 last = arrival;
  for (std::size_t i = 0; i < used; ++i) last = std::max(last, guint64{parts[i].request->done_time});
  return last;
}

bool ClassifyJob::waiting() const {
  return std::any_of(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(used),
                     [](const Part& part) { return part.request->state == EngineRequest::State::waiting; });
}

std::shared_ptr<GstBuffer> share_features(const std::shared_ptr<ClassifyJob>& job, std::size_t part) {
  std::vector<float>& features = job->parts[part].request->features;
  if (features.empty()) return nullptr;
  const gsize bytes = features.size() * sizeof(float);
  GstBuffer* buffer = gst_buffer_new_wrapped_full(
      GST_MEMORY_FLAG_READONLY, features.data(), bytes, 0, bytes, new std::shared_ptr<ClassifyJob>(job),
      [](gpointer owner) { delete static_cast<std::shared_ptr<ClassifyJob>*>(owner); });
  return {buffer, gst_buffer_unref};
}

struct ClassifyJobPool::Shared {
  std::mutex mutex;
  std::vector<std::unique_ptr<ClassifyJob>> free;  // guarded by mutex; has room for all that there are
  std::size_t made = 0;                            // guarded by mutex
};

ClassifyJobPool::ClassifyJobPool() : shared_(std::make_shared<Shared>()) {}

std::shared_ptr<ClassifyJob> ClassifyJobPool::take() {
  std::unique_ptr<ClassifyJob> job;
  {
    const std::lock_guard lock(shared_->mutex);
    if (!shared_->free.empty()) {
      job = std::move(shared_->free.back());
      shared_->free.pop_back();
    }
  }
  if (!job) {
    job = std::make_unique<ClassifyJob>();
    const std::lock_guard lock(shared_->mutex);
    shared_->free.reserve(shared_->made + 1);
    ++shared_->made;
  }
  return {job.release(), [shared = shared_](ClassifyJob* used_job) {
            std::unique_ptr<ClassifyJob> owned(used_job);
            const std::shared_ptr<OpenModel> model = std::move(owned->model);  // may go, and without a lock
            owned->kind = ClassifyJob::Kind::untouched;
            owned->used = 0;
            const std::lock_guard lock(shared->mutex);
            shared->free.push_back(std::move(owned));  // take() made room
          }};
}

}  // namespace resnet
