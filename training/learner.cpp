#include "training/learner.h"

#include <algorithm>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include "model/cpu/executor_cpu.h"
#include "model/error.h"
#include "training/autocast.h"

namespace resnet {
namespace {

at::Device resolve_device(const std::string& name) {
  if (name == "cpu" || (name == "auto" && !at::hasCUDA())) {
    return at::Device(at::kCPU);
  }
  if ((name == "cuda" || name == "auto") && at::hasCUDA()) {
    return at::Device(at::kCUDA);
  }
  throw Error(ErrorCode::device, "--device " + name + " cannot be used: " +
                                     (name == "cuda" ? "there is no GPU that this LibTorch can use"
                                                     : "expected auto, cpu or cuda"));
}

/// n pictures in parts of at most `most`, as equal as can be. 0: one part.
std::size_t count_parts(std::size_t n, int most) {
  const auto limit = static_cast<std::size_t>(most);
  return most <= 0 || n == 0 ? 1 : (n + limit - 1) / limit;
}

void use_channels_last(const ResNet& network) {
  for (const at::Tensor& parameter : network->parameters()) {
    if (parameter.dim() == 4) {
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

void copy_state(const ResNet& from, const ResNet& to) {
  const torch::NoGradGuard no_grad;
  const NamedTensors source = from->state_dict();
  const NamedTensors target = to->state_dict();
  for (std::size_t i = 0; i < source.size(); ++i) {
    target[i].second.copy_(source[i].second);
  }
}

std::int64_t count_correct(const at::Tensor& logits, const at::Tensor& target) {
  return logits.argmax(1).eq(target).sum().item<std::int64_t>();
}

}  // namespace

Learner::Learner(const Recipe& recipe, const Preprocessing& preprocessing, const ResNet& network,
                 const std::string& device, int threads)
    : recipe_(recipe), device_(resolve_device(device)) {
  bf16_ = recipe.precision == "bf16" || (recipe.precision == "auto" && (device_.is_cuda() || cpu_has_bf16()));
  const auto& mean = preprocessing.mean;
  const auto& std = preprocessing.std;
  mean_ = at::tensor({mean[0] * 255, mean[1] * 255, mean[2] * 255}).view({1, 3, 1, 1}).to(device_);
  inverse_std_ =
      at::tensor({1 / (std[0] * 255), 1 / (std[1] * 255), 1 / (std[2] * 255)}).view({1, 3, 1, 1}).to(device_);

  const std::size_t parts = count_parts(static_cast<std::size_t>(recipe.batch_size), recipe.norm_batch);
  const std::size_t members =
      device_.is_cuda() ? 1 : std::min(parts, static_cast<std::size_t>(std::max(1, threads)));
  const int threads_each = std::max(1, threads / static_cast<int>(members));
  at::set_num_threads(threads_each);
  team_ = std::make_unique<Team>(members, [threads_each] { at::set_num_threads(threads_each); });
  for (std::size_t part = 0; part < parts; ++part) {
    add_replica(network);
  }

  // Each member steps about as many numbers.
  std::vector<NamedTensors> shares(members);
  std::vector<std::int64_t> sizes(members);
  steps_.resize(members);
  const auto named = replicas_.front()->named_parameters();
  for (std::size_t i = 0; i < named.size(); ++i) {
    const auto least = static_cast<std::size_t>(std::min_element(sizes.begin(), sizes.end()) - sizes.begin());
    sizes[least] += named[i].value().numel();
    steps_[least].push_back(i);
    shares[least].emplace_back(named[i].key(), named[i].value());
  }
  for (NamedTensors& share : shares) {
    optimizers_.emplace_back(recipe, std::move(share));
  }
}

void Learner::add_replica(const ResNet& network) {
  ResNet replica(network->architecture(), network->num_classes());
  copy_state(network, replica);
  use_channels_last(replica);
  replica->to(device_);
  replica->eval();
  Parameters parameters = replica->parameters();
  for (std::size_t i = 0; i < parameters.size() && !replicas_.empty(); ++i) {
    parameters[i].set_data(parameters_.front()[i].data());
  }
  replicas_.push_back(std::move(replica));
  parameters_.push_back(std::move(parameters));
}

void Learner::train_mode(bool on) {
  if (on == training_) {
    return;
  }
  training_ = on;
  if (!on) {
    average_running_statistics();
  }
  for (ResNet& replica : replicas_) {
    replica->train(on);
  }
}

/// Every part's running statistics become their mean.
void Learner::average_running_statistics() const {
  const torch::NoGradGuard no_grad;
  std::vector<Parameters> buffers;
  for (const ResNet& replica : replicas_) {
    buffers.push_back(replica->buffers());
  }
  for (std::size_t i = 0; i < buffers.front().size() && buffers.size() > 1; ++i) {
    at::Tensor& mean = buffers.front()[i];
    if (mean.is_floating_point()) {
      for (std::size_t part = 1; part < buffers.size(); ++part) {
        mean.add_(buffers[part][i]);
      }
      mean.div_(static_cast<double>(buffers.size()));
    }
    for (std::size_t part = 1; part < buffers.size(); ++part) {
      buffers[part][i].copy_(mean);
    }
  }
}

at::Tensor Learner::to_input(LabelledPixels& batch) const {
  const auto n = static_cast<std::int64_t>(batch.labels.size());
  const at::Tensor pixels = at::from_blob(batch.bytes.data(), {n, batch.size, batch.size, 3}, at::kByte);
  at::Tensor input = pixels.permute({0, 3, 1, 2}).to(device_, at::kFloat);
  return input.sub_(mean_).mul_(inverse_std_);
}

at::Tensor Learner::to_target(const LabelledPixels& batch) const {
  return at::tensor(batch.labels, at::kLong).to(device_);
}

at::Tensor Learner::logits(ResNet& network, const at::Tensor& input) const {
  const Autocast autocast(device_.type(), bf16_);
  return network->forward(input).to(at::kFloat);
}

/// Forward and backward; the gradients of `share`·loss are the part's own.
double Learner::train_part(std::size_t part, const at::Tensor& input, const at::Tensor& target, double share,
                           std::int64_t& correct) {
  for (at::Tensor& parameter : parameters_[part]) {
    parameter.mutable_grad().reset();
  }
  const at::Tensor output = logits(replicas_[part], input);
  const at::Tensor loss =
      at::cross_entropy_loss(output, target, {}, at::Reduction::Mean, -100, recipe_.label_smoothing) * share;
  loss.backward();
  correct = count_correct(output.detach(), target);
  return loss.item<double>();
}

Scores Learner::train(LabelledPixels& batch, double lr) {
  train_mode(true);
  const std::size_t n = batch.labels.size();
  const std::size_t parts = count_parts(n, recipe_.norm_batch);
  const at::Tensor input = to_input(batch);
  const at::Tensor target = to_target(batch);
  std::vector<double> loss(parts);
  std::vector<std::int64_t> correct(parts);
  team_->run(parts, [&](std::size_t part) {
    const auto begin = static_cast<std::int64_t>(n * part / parts);
    const auto count = static_cast<std::int64_t>(n * (part + 1) / parts) - begin;
    loss[part] = train_part(part, input.narrow(0, begin, count), target.narrow(0, begin, count),
                            static_cast<double>(count) / static_cast<double>(n), correct[part]);
  });
  team_->run(team_->size(), [&](std::size_t member) {
    const torch::NoGradGuard no_grad;
    for (const std::size_t i : steps_[member]) {
      for (std::size_t part = 1; part < parts; ++part) {
        parameters_[0][i].mutable_grad().add_(parameters_[part][i].grad());
      }
    }
    optimizers_[member].set_lr(lr);
    optimizers_[member].step();
  });
  Scores scores;
  for (std::size_t part = 0; part < parts; ++part) {
    scores.loss += loss[part];
    scores.accuracy += static_cast<double>(correct[part]) / static_cast<double>(n);
  }
  return scores;
}

Scores Learner::evaluate(LabelledPixels& batch) {
  train_mode(false);
  const std::size_t n = batch.labels.size();
  const at::Tensor input = to_input(batch);
  const std::size_t parts = std::min(n, team_->size());
  std::vector<at::Tensor> outputs(parts);
  team_->run(parts, [&](std::size_t part) {
    const torch::NoGradGuard no_grad;
    const auto begin = static_cast<std::int64_t>(n * part / parts);
    const at::Tensor some = input.narrow(0, begin, static_cast<std::int64_t>(n * (part + 1) / parts) - begin);
    outputs[part] = logits(replicas_.front(), some);
    if (recipe_.flip_average) {
      outputs[part] = (outputs[part] + logits(replicas_.front(), some.flip({3}))) / 2;
    }
  });
  const at::Tensor output = at::cat(outputs);
  const at::Tensor target = to_target(batch);
  return {at::cross_entropy_loss(output, target).item<double>(),
          static_cast<double>(count_correct(output, target)) / static_cast<double>(n)};
}

ResNet Learner::network() const {
  average_running_statistics();
  ResNet copy(replicas_.front()->architecture(), replicas_.front()->num_classes());
  copy_state(replicas_.front(), copy);
  copy->eval();
  return copy;
}

NamedTensors Learner::optimizer_state() const {
  NamedTensors result;
  for (const NetworkOptimizer& optimizer : optimizers_) {
    for (auto& [name, tensor] : optimizer.state()) {
      result.emplace_back(name, tensor.to(at::kCPU).contiguous());
    }
  }
  return result;
}

void Learner::load_optimizer_state(const NamedTensors& state, const std::string& where) {
  for (NetworkOptimizer& optimizer : optimizers_) {
    optimizer.load_state(state, where);
  }
}

}  // namespace resnet
