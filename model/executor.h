#ifndef RESNET_MODEL_EXECUTOR_H
#define RESNET_MODEL_EXECUTOR_H

#include <functional>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "model/image.h"
#include "model/model_info.h"
#include "model/precision.h"
#include "model/resnet_fwd.h"

namespace resnet {

/// What a network says to a batch of n pictures: fp32, contiguous, on the CPU.
struct NetworkOutput {
  at::Tensor logits;    ///< [n, num_classes]; undefined for a network without a head
  at::Tensor features;  ///< [n, architecture.features()]: what the head sees, pooled
};

class Preprocessor;

/// One of `count` nearly equal parts of a picture's rows.
struct PicturePart {
  std::size_t index = 0, count = 1;
};

/// Makes a part of a picture of a run's input; several at the same time. Throws nothing.
using MakePicture = std::function<void(std::size_t picture, PicturePart part)>;

/// What threads do for others where they would wait. Throws nothing, and returns soon.
using Meanwhile = std::function<void()>;

/// Pictures in their own formats on their way into a network, one in a slot. Different slots may be filled at
/// the same time, by a thread each, but not while it runs. Belongs to its executor, which must outlive it.
class BatchInput {
 public:
  virtual ~BatchInput() = default;
  virtual std::size_t capacity() const = 0;

  /// Puts a picture into a slot; its memory is free again when this returns.
  /// @param preprocessor of make_preprocessor (model/executor_input.h), kept by the caller from picture to
  /// picture
  /// @throws Error unsupported as Preprocessor::run; device. Then the slot holds numbers that mean nothing.
  /// @param part of what run() has make_picture make; else the whole
  virtual void put(std::size_t slot, const Image& image, Preprocessor& preprocessor,
                   PicturePart part = {}) = 0;

  /// What the network says to the first n slots.
  /// @param make_picture called for all parts of each slot first, to fill those that wait for it; null where
  /// nothing waits
  /// @throws Error device; then it may not have been called
  virtual NetworkOutput run(std::size_t n, const MakePicture& make_picture) = 0;
};

/// Runs a network on batches. Not thread-safe: one thread runs one executor.
class Executor {
 public:
  virtual ~Executor() = default;

  /// An input batch [n, 3, size, size] in the type, layout (NCHW or channels last) and memory (pinned for
  /// CUDA) that run() takes without converting. Allocate once, fill many times. Bytes are RGB pixels 0…255
  /// and make the executor subtract the mean and divide by std itself; any other type is normalised already.
  virtual at::Tensor make_input(int n, int size) const = 0;

  /// What the network says to the pictures that `input` holds.
  /// @throws Error device (out of memory, a failed kernel)
  virtual NetworkOutput run(const at::Tensor& input) = 0;

  /// Whether run()'s threads occupy all cores: then they best make the pictures, too, since each other thread
  /// that works keeps all of them waiting.
  virtual bool occupies_all_cores() const { return false; }
  /// run(), whose threads call make_picture for all parts of each picture of the input first.
  virtual NetworkOutput make_and_run(const at::Tensor& input, const MakePicture& make_picture);

  /// Once, but not during a run: from now on its threads shall call `meanwhile` wherever they come to a new
  /// step of a run, and where they wait for each other, also shortly after it; until it is gone.
  /// @return false: they do not
  virtual bool set_meanwhile(const Meanwhile& /*meanwhile*/) { return false; }

  /// For n pictures, of which the network sees size × size pixels. Unless a device does better, make_input()
  /// that is filled by the preprocessor and run().
  virtual std::unique_ptr<BatchInput> make_batch(int n, int size);

  /// "cpu fp32", "cpu bf16", "cuda:0 fp16".
  virtual std::string description() const = 0;
  virtual Precision precision() const = 0;
};

struct ExecutorOptions {
  std::string device = "auto";  ///< "auto", "cpu", "cuda" or "cuda:N"; auto: CUDA where there is a usable GPU
  Precision precision = Precision::automatic;
  int threads = 0;                             ///< CPU threads of the network; 0: all cores
  Preprocessing preprocessing{};               ///< of the pictures, for a device that normalises them itself
  const Quantization* quantization = nullptr;  ///< what int8 needs; read while the executor is made
  /// Frees the network's weights one by one while they are lowered, so that there is one copy of them in
  /// memory. The network cannot be used afterwards.
  bool release_weights = false;
  /// Called with the name of a weight ("layer1.0.conv1.weight") before it is released, which changes it.
  std::function<void(const std::string& name)> await_weight{};
};

/// The options with what a model says of itself: its preprocessing, and its quantization, which `info` keeps.
ExecutorOptions with_model(ExecutorOptions options, const ModelInfo& info);

/// Lowers the network (eval mode; its weights may be shared or released afterwards) for a device.
/// @throws Error unsupported when the device or the precision is not to be had here, saying why
std::unique_ptr<Executor> make_executor(const ResNet& network, const ExecutorOptions& options);

/// The module itself in fp32: the truth that the others are tested against.
std::unique_ptr<Executor> make_reference_executor(const ResNet& network);

}  // namespace resnet

#endif
