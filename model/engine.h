#ifndef RESNET_MODEL_ENGINE_H
#define RESNET_MODEL_ENGINE_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/error.h"
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

struct EngineOptions {
  std::string model;
  std::string labels_file;  ///< empty: the model file's own classes, or class_indices.json beside it
  std::string device = "auto";
  Precision precision = Precision::automatic;
  int threads = 0;
  int batch_size = 8;
  bool wait_for_company = false;  ///< a batch goes when it is full or go() is called, not as soon as possible
};

/// One picture on its way through the engine. The caller keeps it alive and may use it again once done.
struct EngineRequest {
  enum class State : std::uint8_t {
    waiting,  ///< for its batch to go
    running,
    done  ///< written last by the engine's thread; then the rest may be read
  };
  std::atomic<State> state{State::waiting};
  std::vector<float> probabilities;  ///< by class index; they sum to 1
  EngineError error;
};

/// Told, in the engine's thread and with no lock of the engine held, that requests of its stream are done.
class EngineListener {
 public:
  virtual ~EngineListener() = default;
  virtual void results_ready() noexcept = 0;
};

/// One user of an engine: pictures in, in one thread.
class EngineStream {
 public:
  virtual ~EngineStream() = default;
  /// Converts the picture to network input in the calling thread, straight into its place in the open
  /// batch. Waits while that batch is full, for at most the run of another. An error is the request's.
  virtual void submit(const Image& image, const std::shared_ptr<EngineRequest>& request) noexcept = 0;
  /// Nanoseconds that the last conversion took.
  virtual std::uint64_t conversion_time() const noexcept = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual const std::vector<std::string>& classes()
      const noexcept = 0;                                      ///< never empty: "0", "1", … if nameless
  virtual const std::string& model_name() const noexcept = 0;  ///< the file's name without its folders
  virtual const std::string& digest() const noexcept = 0;
  virtual const std::string& description() const noexcept = 0;  ///< "resnet34, cpu bf16"
  virtual double suggested_threshold() const noexcept = 0;      ///< 0 when the file suggests none
  virtual const std::vector<std::string>& warnings() const noexcept = 0;
  /// Runs one full batch of zeros, so that the first frame does not pay for one-time work. @return ns it took
  virtual std::uint64_t warm_up(EngineError& error) noexcept = 0;
  /// Sends the waiting pictures on their way, whatever wait_for_company says.
  virtual void go() noexcept = 0;
  /// The listener must outlive the stream.
  virtual std::unique_ptr<EngineStream> open_stream(EngineListener& listener,
                                                    EngineError& error) noexcept = 0;
};

/// What the module's one symbol, `resnet_engine_module`, points to.
struct EngineModule {
  std::uint32_t version;  ///< engine_module_version of the headers that it was built with
  std::unique_ptr<Engine> (*open)(const EngineOptions& options, EngineError& error) noexcept;
};

constexpr std::uint32_t engine_module_version = 1;

}  // namespace resnet

#endif
