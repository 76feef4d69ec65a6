#ifndef RESNET_PLUGIN_CLASSIFY_JOB_H
#define RESNET_PLUGIN_CLASSIFY_JOB_H

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "model/engine.h"
#include "plugin/region_results.h"

namespace resnet {

/// ns of std::chrono::steady_clock, the engine's clock.
guint64 steady_time();

/// A model that an element uses. It lives as long as frames that it classifies.
struct OpenModel {
  std::string path;
  std::shared_ptr<Engine> engine;
  std::unique_ptr<EngineStream> stream;  // goes before the engine
  guint64 batch_time = 0;                // ns of a full batch when it was warmed up
};

/// What is to be found out about one frame.
struct ClassifyJob {
  enum class Kind {
    untouched,  ///< the element is switched off
    reuse,      ///< the last result serves
    infer
  };
  /// A picture that goes through the network: the frame, or a region of it.
  struct Part {
    std::shared_ptr<EngineRequest> request;
    gint number = -1;  ///< among the frame's regions (find_regions); -1: the whole frame
    FrameRegion region{};
  };

  Kind kind = Kind::untouched;
  std::shared_ptr<OpenModel> model;
  std::size_t used = 0;  ///< of `parts`; the others are kept to be used again
  std::vector<Part> parts;
  guint64 arrival = 0;                          ///< by steady_time()
  GstClockTime deadline = GST_CLOCK_TIME_NONE;  ///< by then its batch goes, full or not

  /// The next part, with a request that nobody else uses.
  Part& add_part();
  /// The last part is not used after all.
  void remove_part() { --used; }
  /// Whether all results are there.
  bool done() const;
  /// When they came, by steady_time(); without a part when the frame came.
  guint64 done_time() const;
  /// Whether a part waits for its batch to go.
  bool waiting() const;
};

/// The features of one of a job's parts, native-endian 32-bit floats; nullptr: it has none. They keep the job
/// from being used again until the last reader lets them go, which may be long after the element is gone: the
/// job must have let go of its model by then.
std::shared_ptr<GstBuffer> share_features(const std::shared_ptr<ClassifyJob>& job, std::size_t part);

/// Keeps jobs and their requests for the next frames, so that frames allocate nothing that grows with them.
class ClassifyJobPool {
 public:
  ClassifyJobPool();
  /// An empty job, which comes back here when its last owner lets it go; that may outlive the pool.
  std::shared_ptr<ClassifyJob> take();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace resnet

#endif
