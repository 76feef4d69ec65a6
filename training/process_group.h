#ifndef RESNET_TRAINING_PROCESS_GROUP_H
#define RESNET_TRAINING_PROCESS_GROUP_H

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/checkpoint.h"
#include "training/batches.h"

namespace resnet {

/// The processes that work together, on one machine or more, of which this is one. Without others every
/// function returns at once what it was given.
///
/// All functions that communicate must be called by every process, in the same order.
/// @throws Error device from each of them: another process ended, or was not heard of for ten minutes
class ProcessGroup {
 public:
  /// This process alone.
  ProcessGroup() = default;
  /// As the launcher says: torchrun, or any that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, or Open
  /// MPI's mpirun, whose MASTER_ADDR is this machine where none is set. Without a launcher: alone.
  ///
  /// The processes talk over the network interface that leads to MASTER_ADDR, or GLOO_SOCKET_IFNAME.
  /// @param device "cpu", or "cuda" for tensors there, which go over NCCL
  /// @throws Error format: a variable that is no number; unsupported: built without; device: the others do
  /// not answer
  static ProcessGroup from_environment(const std::string& device);

  /// This process alone, where it is on its machine.
  ProcessGroup apart() const;

  std::size_t rank() const { return share_.index; }
  std::size_t size() const { return share_.count; }
  Share share() const { return share_; }
  bool alone() const { return share_.count == 1; }
  /// This is the one that talks to the user and writes files.
  bool first() const { return share_.index == 0; }
  /// Of the processes on this machine: this one's number, and how many there are.
  Share local_share() const { return local_; }
  /// The GPU for this process, of those that LibTorch sees; 0 where there is none.
  int gpu() const;

  /// The sum over the processes, in place; the same bits in each.
  /// @param tensor dense
  void sum(at::Tensor tensor) const;
  /// The same in the background. @return waits until the sum is there
  std::function<void()> start_sum(at::Tensor tensor) const;
  /// [processes, …] what each process has in `tensor`, of one shape and type, by rank.
  at::Tensor gather(const at::Tensor& tensor) const;
  /// Copies the first process's tensor to the others'.
  void share_first(at::Tensor tensor) const;
  /// The first process's text.
  std::string of_first(const std::string& text) const;
  double of_first(double value) const;
  /// What the first process has, on the CPU.
  NamedTensors of_first(const NamedTensors& tensors) const;
  /// All processes' texts by rank.
  std::vector<std::string> gather(const std::string& text) const;
  /// Whether any process says so.
  bool any(bool value) const;
  /// Whether all processes have the same text.
  bool same(const std::string& text) const { return !any(of_first(text) != text); }

 private:
  struct Backends;

  template <typename Work>
  void attempt(const Work& work) const;

  Share share_, local_;
  std::shared_ptr<const Backends> backends_;  ///< null: alone
};

}  // namespace resnet

#endif
