#ifndef RESNET_TRAINING_LOADER_H
#define RESNET_TRAINING_LOADER_H

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "training/batches.h"

namespace resnet {

/// Makes one sample: writes its bytes to `out`, or throws Error when the picture cannot be used.
using SampleWriter = std::function<void(std::size_t index, std::uint8_t* out)>;

/// Some samples in a row, without those that failed.
struct Batch {
  std::vector<std::size_t> indices;  ///< of the samples that are there, in the order asked for
  std::vector<std::uint8_t> bytes;   ///< indices.size() · sample_bytes
  std::vector<std::pair<std::size_t, std::string>> failures;  ///< index and the Error's sentence
};

struct LoaderOptions {
  int workers = 1;
  int prefetch = 4;  ///< batches that may be ready or in the making ahead of the one in use
  std::size_t sample_bytes = 0;
};

/// Makes batches in worker threads ahead of their use; they come out in order.
class Loader {
 public:
  /// @param make_writer called once for each worker, so that each has scratch memory of its own
  Loader(Batches batches, const LoaderOptions& options, const std::function<SampleWriter()>& make_writer);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch, nothing after the last. What a writer threw other than Error is thrown here.
  std::optional<Batch> next();

 private:
  struct Slot {
    Batch batch;
    std::vector<std::string> errors;  ///< by sample; empty: made
    std::size_t missing = 0;          ///< samples not made yet
  };

  /// A sample by its batch and its place in that.
  struct Place {
    std::size_t batch = 0, sample = 0;
  };

  void work(const SampleWriter& write);
  void pass_finished_batches();
  void prepare(std::size_t batch);
  Batch finish(std::size_t batch);
  Slot& slot(std::size_t batch) { return slots_[batch % slots_.size()]; }

  const Batches batches_;
  const LoaderOptions options_;

  std::mutex mutex_;
  std::condition_variable room_, ready_;
  std::vector<Slot> slots_;
  Place next_sample_;           ///< that the next idle worker takes
  std::size_t next_batch_ = 0;  ///< that next() returns
  bool stopping_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace resnet

#endif
