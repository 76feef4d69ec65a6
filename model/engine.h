#ifndef RESNET_MODEL_ENGINE_H
#define RESNET_MODEL_ENGINE_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/activation.h"
#include "model/error.h"
#include "model/file_io.h"
#include "model/image.h"
#include "model/precision.h"

/// The engine as the plugin sees it: no LibTorch in this header. It lives in a private module that the
/// plugin loads when it needs it; nothing here throws across that border.
namespace resnet {

struct EngineError {
  ErrorCode code = ErrorCode::read;
  std::string message;  ///< empty: no error

  explicit operator bool() const { return !message.empty(); }
};

/// What is shared: who asks for the same gets the same engine, as long as somebody has it.
struct EngineOptions {
  std::string model;
  std::string device = "auto";
  Precision precision = Precision::automatic;
  int threads = 0;
  std::string instance;  ///< engines of different instances are never the same one
  /// The model's, where somebody has read them: taken over if they are of the version that is there now.
  std::shared_ptr<const FileBytes> bytes = nullptr;
};

/// What each user of an engine has of its own.
struct StreamOptions {
  std::string labels_file;  ///< empty: the model file's own classes, or class_indices.json beside it
  int batch_size = 8;       ///< the largest among an engine's streams counts
  std::optional<Activation> activation{};  ///< nothing: the model file's own
  bool classes = true;                     ///< results have probabilities; takes a network with a head
  bool features = false;                   ///< results have features
};

/// One picture on its way through the engine. The caller keeps it alive and may use it again once done.
struct EngineRequest {
  enum class State : std::uint8_t {
    waiting,  ///< for its batch to go
    running,
    done  ///< written last by the engine; then the rest may be read
  };
  std::atomic<State> state{State::waiting};
  std::vector<float> probabilities;  ///< by class index; empty: not asked for
  std::vector<float> features;       ///< what the network's head sees, pooled; empty: not asked for
  EngineError error;
  std::uint64_t conversion_time = 0;  ///< ns from pixels to network input, of all threads together
  std::uint64_t waiting_time = 0;     ///< ns in the open batch
  std::uint64_t running_time = 0;     ///< ns of its batch in the network, which may convert it first
  std::uint64_t done_time = 0;        ///< ns of std::chrono::steady_clock when that was done
};

/// Told, in any thread and with no lock of the engine held, that requests of its stream are done.
class EngineListener {
 public:
  virtual ~EngineListener() = default;
  virtual void results_ready() noexcept = 0;
};

struct SubmitOptions {
  /// What keeps the picture's memory. Given, the picture may be read later, until the engine lets go of it:
  /// at the latest when its batch runs. Else it has been read when submit() returns.
  std::shared_ptr<const void> pixels = nullptr;
  /// The batch need not go because of this picture, before it is full or go() is called.
  bool patient = false;
  /// For room in the open batch, at most for the run of another.
  bool wait = true;
};

/// One user of an engine: pictures in, from one thread. When it is gone, its listener is not told any more.
class EngineStream {
 public:
  virtual ~EngineStream() = default;
  virtual const std::vector<std::string>& classes() const noexcept = 0;  ///< "0", "1", … if nameless
  virtual Activation activation() const noexcept = 0;
  /// Gives the picture a place in the open batch, and converts it to network input right there: in the
  /// calling thread, or later in the network's, where these occupy all cores. Streams take turns where that
  /// batch is full, those that do not wait too: refused, a stream has a place in the line when it comes again
  /// within a second. An error is the request's.
  /// @return false: there was no room, and the picture is as if it had never come
  virtual bool submit(const Image& image, const std::shared_ptr<EngineRequest>& request,
                      const SubmitOptions& options) noexcept = 0;
  /// Whether the network's input of the picture differs from that of the last one for which this was false by
  /// less than `threshold` 8-bit steps on average, or not at all. For the thread that submits.
  virtual bool is_like_the_last(const Image& image, double threshold) noexcept = 0;
  /// The next picture is like no other. For the thread that submits.
  virtual void forget_the_last() noexcept = 0;
  /// How many pictures of this stream are in the batch that has not gone.
  virtual std::size_t waiting() const noexcept = 0;
  /// Sends the batch that holds patient pictures of this stream. For any thread.
  virtual void go() noexcept = 0;
};

struct EngineStatistics {
  std::uint64_t frames = 0, batches = 0;
  std::uint64_t running_time = 0;  ///< ns that the network ran
  std::uint64_t streams = 0;       ///< open now
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual const std::string& model_name() const noexcept = 0;  ///< the file's name without its folders
  virtual const std::string& digest() const noexcept = 0;
  virtual const std::string& description() const noexcept = 0;  ///< "resnet34, cpu bf16"
  virtual double suggested_threshold() const noexcept = 0;      ///< 0 when the file suggests none
  virtual const std::vector<std::string>& warnings() const noexcept = 0;
  /// Runs zeros once in an engine's life, so that the first frame does not pay for one-time work: a full
  /// batch, or where that takes long a picture. @return ns that a full batch takes, at most
  virtual std::uint64_t warm_up(EngineError& error) noexcept = 0;
  /// The listener must outlive the stream, and the stream not the engine.
  virtual std::unique_ptr<EngineStream> open_stream(const StreamOptions& options, EngineListener& listener,
                                                    EngineError& error) noexcept = 0;
  virtual EngineStatistics statistics() const noexcept = 0;
};

/// What the module's one symbol, `resnet_engine_module`, points to.
struct EngineModule {
  std::uint32_t version;  ///< engine_module_version of the headers that it was built with
  std::shared_ptr<Engine> (*open)(const EngineOptions& options, EngineError& error) noexcept;
};

constexpr std::uint32_t engine_module_version = 6;

}  // namespace resnet

#endif
