#include "training/learner.h"

#include <algorithm>
#include <cmath>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "model/cpu/executor_cpu.h"
#include "model/error.h"
#include "model/resnet.h"
#include "training/autocast.h"
#include "training/norm_relu.h"
#include "training/state_tensors.h"
#include "training/sync_batch_norm.h"

namespace resnet {
namespace {

at::Device resolve_device(const std::string& name, int gpu) {
  if (name == "cpu" || (name == "auto" && !at::hasCUDA())) {
    return at::Device(at::kCPU);
  }
  if ((name == "cuda" || name == "auto") && at::hasCUDA()) {
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(gpu));
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

at::Tensor to_target(const std::vector<std::int64_t>& labels) { return at::tensor(labels, at::kLong); }

/// recipe.freeze of the stages: 1 the stem, 2 to 5 and the layers 1 to 4.
bool is_frozen(const std::string& name, int freeze) {
  if (name.starts_with("conv1.") || name.starts_with("bn1.")) return freeze >= 1;
  return name.starts_with("layer") && name[5] - '0' < freeze;
}

constexpr const char* average_prefix = "average/";
constexpr const char* optimizer_prefix = "optimizer/";
constexpr const char* steps_name = "steps";
constexpr const char* processes_name = "statistics of processes";

std::string statistics_prefix(std::size_t part) { return "part" + std::to_string(part) + "/"; }

NamedTensors named_statistics(const ResNet& network) {
  NamedTensors result;
  for (const auto& item : network->named_buffers()) result.emplace_back(item.key(), item.value());
  return result;
}

}  // namespace

Scores scores_of(const at::Tensor& logits, const std::vector<std::int64_t>& labels) {
  const at::Tensor target = to_target(labels);
  return {at::cross_entropy_loss(logits, target).item<double>(),
          static_cast<double>(count_correct(logits, target)) / static_cast<double>(labels.size())};
}

Learner::Learner(const Recipe& recipe, const Preprocessing& preprocessing, const ResNet& network,
                 const std::vector<float>& class_weights, const std::string& device, int threads,
                 const ProcessGroup& group)
    : recipe_(recipe),
      group_(group),
      device_(resolve_device(device, group.gpu())),
      synchronised_(!group.alone() && recipe.sync_bn && recipe.norm_batch == 0) {
  bf16_ = recipe.precision == "bf16" || (recipe.precision == "auto" && (device_.is_cuda() || cpu_has_bf16()));
  const auto& mean = preprocessing.mean;
  const auto& std = preprocessing.std;
  mean_ = at::tensor({mean[0] * 255, mean[1] * 255, mean[2] * 255}).view({1, 3, 1, 1}).to(device_);
  inverse_std_ =
      at::tensor({1 / (std[0] * 255), 1 / (std[1] * 255), 1 / (std[2] * 255)}).view({1, 3, 1, 1}).to(device_);
  if (!class_weights.empty()) class_weights_ = at::tensor(class_weights).to(device_);

  const int slices = recipe.accumulate * static_cast<int>(group.size());
  const int slice = (recipe.batch_size + slices - 1) / slices;
  const std::size_t parts = count_parts(static_cast<std::size_t>(slice), recipe.norm_batch);
  const std::size_t members =
      device_.is_cuda() ? 1 : std::min(parts, static_cast<std::size_t>(std::max(1, threads)));
  const int threads_each = std::max(1, threads / static_cast<int>(members));
  at::set_num_threads(threads_each);
  team_ = std::make_unique<Team>(members, [threads_each] { at::set_num_threads(threads_each); });
  for (std::size_t part = 0; part < parts; ++part) replicas_.push_back(make_replica(network));
  for (Replica& replica : replicas_) {
    for (std::size_t i = 0; i < replica.parameters.size(); ++i)
      replica.parameters[i].set_data(replicas_.front().parameters[i].data());
  }
  if (bf16_ && device_.is_cpu() && !synchronised_) {
    std::vector<ResNet> networks;
    for (const Replica& replica : replicas_) networks.push_back(replica.network);
    tile_weights_ = use_tiles(networks);
  }
  for (const Replica& replica : replicas_) {
    if (synchronised_) {
      synchronise_batch_norms(replica.network, group);
    } else {
      fuse_norms(replica.network, !tile_weights_.empty());
    }
  }
  if (recipe.ema > 0) average_ = make_replica(network);
  share_out(members);
  if (group.alone()) return;
  std::vector<Tensors> parameters;
  for (const Replica& replica : replicas_) parameters.push_back(replica.parameters);
  buckets_ = std::make_unique<GradientBuckets>(std::move(parameters), group);
}

Learner::Replica Learner::make_replica(const ResNet& network) const {
  Replica replica;
  replica.network = make_resnet(network->architecture(), network->num_classes());
  copy_state(network, replica.network);
  use_channels_last(replica.network);
  replica.network->to(device_);
  replica.network->eval();
  for (const auto& item : replica.network->named_parameters()) {
    if (is_frozen(item.key(), recipe_.freeze)) {
      item.value().set_requires_grad(false);
    } else {
      replica.parameters.push_back(item.value());
    }
  }
  for (const at::Tensor& buffer : replica.network->buffers()) {
    if (buffer.is_floating_point()) replica.statistics.push_back(buffer);
  }
  return replica;
}

// Each member steps about as many numbers.
void Learner::share_out(std::size_t members) {
  std::vector<NamedTensors> named(members);
  std::vector<std::int64_t> sizes(members);
  shares_.resize(members);
  std::size_t index = 0;
  for (const auto& item : replicas_.front().network->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const auto least = static_cast<std::size_t>(std::min_element(sizes.begin(), sizes.end()) - sizes.begin());
    sizes[least] += item.value().numel();
    shares_[least].push_back(index++);
    named[least].emplace_back(item.key(), item.value());
  }
  for (NamedTensors& share : named) optimizers_.emplace_back(recipe_, std::move(share));
}

void Learner::train_mode(bool on) {
  if (on == training_) return;
  training_ = on;
  if (!on) {
    average_statistics(replicas_.front().statistics);
    average_over_processes(replicas_.front().statistics);
    average_over_processes(average_.statistics);
    const torch::NoGradGuard no_grad;
    for (Replica& replica : replicas_) {
      for (std::size_t i = 0; i < replica.statistics.size(); ++i)
        replica.statistics[i].copy_(replicas_.front().statistics[i]);
    }
  }
  for (Replica& replica : replicas_) {
    replica.network->train(on);
    for (const auto& item : replica.network->named_children()) {
      if (is_frozen(item.key() + ".", recipe_.freeze)) item.value()->eval();
    }
  }
}

/// The mean of the parts' running statistics. @param to may be those of the first part
void Learner::average_statistics(const Tensors& to) const {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const at::Tensor& mean = to[i];
    mean.copy_(replicas_.front().statistics[i]);
    if (replicas_.size() == 1) continue;
    for (std::size_t part = 1; part < replicas_.size(); ++part) mean.add_(replicas_[part].statistics[i]);
    mean.div_(static_cast<double>(replicas_.size()));
  }
}

// The moving mean of each process's statistics is linear in them: the mean of those is that of the means.
void Learner::average_over_processes(const Tensors& statistics) const {
  if (group_.alone() || synchronised_ || statistics.empty()) return;
  const torch::NoGradGuard no_grad;
  const at::Tensor mean = at::cat(statistics);
  group_.sum(mean);
  mean.div_(static_cast<double>(group_.size()));
  std::int64_t start = 0;
  for (const at::Tensor& one : statistics) {
    one.copy_(mean.narrow(0, start, one.numel()));
    start += one.numel();
  }
}

/// Those of all parts.
void Learner::append_statistics(Tensors& to) const {
  for (const Replica& replica : replicas_)
    to.insert(to.end(), replica.statistics.begin(), replica.statistics.end());
}

/// What processes may have each of their own.
Learner::Tensors Learner::own_statistics() const {
  Tensors result = average_.statistics;
  append_statistics(result);
  return result;
}

at::Tensor Learner::to_input(LabelledPixels& batch) const {
  const auto n = static_cast<std::int64_t>(batch.labels.size());
  const at::Tensor pixels = at::from_blob(batch.bytes.data(), {n, batch.size, batch.size, 3}, at::kByte);
  at::Tensor input = pixels.permute({0, 3, 1, 2}).to(device_, at::kFloat);
  return input.sub_(mean_).mul_(inverse_std_);
}

at::Tensor Learner::logits(const ResNet& network, const at::Tensor& input) const {
  const Autocast autocast(device_.type(), bf16_);
  return network->forward(input).to(at::kFloat);
}

/// The mean over the pictures.
at::Tensor Learner::loss_of(const at::Tensor& output, const at::Tensor& target) const {
  if (!class_weights_.defined())
    return at::cross_entropy_loss(output, target, {}, at::Reduction::Mean, -100, recipe_.label_smoothing);
  // LibTorch's mean would divide by the weights of these pictures.
  return at::cross_entropy_loss(output, target, class_weights_, at::Reduction::Sum, -100,
                                recipe_.label_smoothing) /
         output.size(0);
}

/// Forward and backward; the gradients of `share`·loss are added to the part's own.
double Learner::train_part(Replica& replica, const at::Tensor& input, const Targets& targets, double share,
                           std::int64_t& correct) const {
  const at::Tensor output = logits(replica.network, input);
  if (input.size(0) == 0) {  // the others need this process's part in their batch norms
    output.sum().backward();
    return 0;
  }
  at::Tensor loss = loss_of(output, targets.first);
  if (targets.second.defined())
    loss = loss * (1 - targets.second_weight) + loss_of(output, targets.second) * targets.second_weight;
  loss = loss * share;
  loss.backward();
  correct = count_correct(output.detach(), targets.first);
  return loss.item<double>();
}

/// @param all pictures of the batch, in all processes
/// @param first slice of the batch: no gradients are there yet
/// @param last slice: gradients may be sent
void Learner::train_slice(const at::Tensor& input, const Targets& targets, std::int64_t all, bool first,
                          bool last, Scores& sum) {
  const std::int64_t n = input.size(0);
  const bool idle = n < static_cast<std::int64_t>(least_share()) && !synchronised_;
  const std::size_t parts = idle ? 0 : count_parts(static_cast<std::size_t>(n), recipe_.norm_batch);
  if (last && buckets_) buckets_->begin(parts);
  std::vector<double> loss(parts);
  std::vector<std::int64_t> correct(parts);
  team_->run(replicas_.size(), [&](std::size_t index) {
    Replica& replica = replicas_[index];
    if (first) {
      for (at::Tensor& parameter : replica.parameters) parameter.mutable_grad().reset();
    }
    if (index >= parts) return;  // of a batch that is smaller
    const auto part = static_cast<std::int64_t>(index), count = static_cast<std::int64_t>(parts);
    const std::int64_t begin = n * part / count, end = n * (part + 1) / count;
    loss[index] = train_part(replica, input.slice(0, begin, end), targets.slice(begin, end),
                             static_cast<double>(end - begin) / static_cast<double>(all), correct[index]);
  });
  for (std::size_t part = 0; part < parts; ++part) {
    sum.loss += loss[part];
    sum.accuracy += static_cast<double>(correct[part]) / static_cast<double>(all);
  }
}

Scores Learner::train(LabelledPixels& batch, std::size_t pictures, double lr) {
  train_mode(true);
  const auto all = static_cast<std::int64_t>(pictures);
  const at::Tensor input = to_input(batch);
  Targets targets{to_target(batch.labels).to(device_), {}, batch.second_weight};
  if (!batch.second_labels.empty()) targets.second = to_target(batch.second_labels).to(device_);
  const Scores scores = compute_gradients(input, targets, all);
  if (recipe_.sam > 0) {
    climb();
    compute_gradients(input, targets, all);
    climb_down();
  }
  if (recipe_.clip_norm > 0) clip_gradients();
  ++steps_;
  team_->run(team_->size(), [&](std::size_t member) { step(member, lr); });
  update_tiles();
  return scores;
}

/// Of the weights as they are. @return scores of all processes
Scores Learner::compute_gradients(const at::Tensor& input, const Targets& targets, std::int64_t all) {
  const std::int64_t n = input.size(0);
  // Batch norm has no variance of one picture.
  const std::int64_t slices =
      std::clamp<std::int64_t>(all / (2 * static_cast<std::int64_t>(group_.size())), 1, recipe_.accumulate);
  Scores scores;
  for (std::int64_t i = 0; i < slices; ++i) {
    const std::int64_t begin = n * i / slices, end = n * (i + 1) / slices;
    train_slice(input.slice(0, begin, end), targets.slice(begin, end), all, i == 0, i == slices - 1, scores);
  }
  add_up_gradients();
  if (group_.alone()) return scores;
  const at::Tensor sums = at::tensor({scores.loss, scores.accuracy}, at::kDouble);
  group_.sum(sums);
  return {sums[0].item<double>(), sums[1].item<double>()};
}

/// Of parts and processes, in the first part.
void Learner::add_up_gradients() {
  if (buckets_) {
    buckets_->end();
    return;
  }
  team_->run(team_->size(), [&](std::size_t member) {
    const torch::NoGradGuard no_grad;
    for (const std::size_t i : shares_[member]) {
      for (std::size_t part = 1; part < replicas_.size(); ++part) {
        const at::Tensor& gradient = replicas_[part].parameters[i].grad();
        if (gradient.defined()) replicas_.front().parameters[i].mutable_grad().add_(gradient);
      }
    }
  });
}

// Summed by parameter, so that it does not depend on the threads.
double Learner::gradient_norm() const {
  const Tensors& parameters = replicas_.front().parameters;
  std::vector<double> squares(parameters.size());
  team_->run(team_->size(), [&](std::size_t member) {
    const torch::NoGradGuard no_grad;
    for (const std::size_t i : shares_[member])
      squares[i] = parameters[i].grad().square().sum().item<double>();
  });
  double sum = 0;
  for (const double square : squares) sum += square;
  return std::sqrt(sum);
}

/// To where the loss is greatest within recipe.sam of the weights, by its gradient (Foret et al. 2021,
/// arXiv:2010.01412, equation 2).
void Learner::climb() {
  const double factor = recipe_.sam / (gradient_norm() + 1e-12);
  const Tensors here = changed_by_climbing();
  if (foot_.empty()) {
    for (const at::Tensor& one : here) foot_.push_back(at::empty_like(one));
  }
  copy(here, foot_);
  const Tensors& parameters = replicas_.front().parameters;
  team_->run(team_->size(), [&](std::size_t member) {
    const torch::NoGradGuard no_grad;
    for (const std::size_t i : shares_[member]) parameters[i].add_(parameters[i].grad(), factor);
  });
  update_tiles();
}

/// The running statistics too are of the weights at the foot.
void Learner::climb_down() { copy(foot_, changed_by_climbing()); }

Learner::Tensors Learner::changed_by_climbing() const {
  Tensors result;
  for (const at::Tensor& parameter : replicas_.front().parameters) result.push_back(parameter.detach());
  append_statistics(result);
  return result;
}

void Learner::copy(const Tensors& from, const Tensors& to) const {
  team_->run(team_->size(), [&](std::size_t member) {
    for (std::size_t i = member; i < from.size(); i += team_->size()) to[i].copy_(from[i]);
  });
}

// As torch.nn.utils.clip_grad_norm_.
void Learner::clip_gradients() {
  const double factor = recipe_.clip_norm / (gradient_norm() + 1e-6);
  if (factor >= 1) return;
  const torch::NoGradGuard no_grad;
  for (const at::Tensor& parameter : replicas_.front().parameters) parameter.grad().mul_(factor);
}

void Learner::update_tiles() {
  team_->run(tile_weights_.size(), [&](std::size_t i) { tile_weights_[i]->update(); });
}

/// What one member does of a step.
void Learner::step(std::size_t member, double lr) {
  const torch::NoGradGuard no_grad;
  optimizers_[member].step(lr);
  if (recipe_.ema <= 0) return;
  // The first means are of few steps, as in TensorFlow's ExponentialMovingAverage.
  const auto steps = static_cast<double>(steps_);
  const double taken = 1 - std::min(recipe_.ema, (1 + steps) / (10 + steps));
  for (const std::size_t i : shares_[member])
    average_.parameters[i].lerp_(replicas_.front().parameters[i], taken);
  for (std::size_t i = member; i < average_.statistics.size(); i += team_->size()) {
    at::Tensor mean = replicas_.front().statistics[i].clone();
    for (std::size_t part = 1; part < replicas_.size(); ++part) mean.add_(replicas_[part].statistics[i]);
    average_.statistics[i].lerp_(mean.div_(static_cast<double>(replicas_.size())), taken);
  }
}

at::Tensor Learner::evaluate(LabelledPixels& batch, bool flip_average) {
  begin_evaluation();
  const std::size_t n = batch.labels.size();
  const at::Tensor input = to_input(batch);
  const std::size_t parts = std::min(n, team_->size());
  std::vector<at::Tensor> outputs(parts);
  team_->run(parts, [&](std::size_t part) {
    const torch::NoGradGuard no_grad;
    const auto begin = static_cast<std::int64_t>(n * part / parts);
    const at::Tensor some = input.narrow(0, begin, static_cast<std::int64_t>(n * (part + 1) / parts) - begin);
    outputs[part] = logits(saved().network, some);
    if (flip_average) {
      outputs[part] = (outputs[part] + logits(saved().network, some.flip({3}))) / 2;
    }
  });
  return at::cat(outputs).to(at::kCPU);
}

ResNet Learner::network() const {
  ResNet copy =
      make_resnet(replicas_.front().network->architecture(), replicas_.front().network->num_classes());
  copy_state(saved().network, copy);
  if (recipe_.ema <= 0) {
    Tensors statistics;
    for (const at::Tensor& buffer : copy->buffers()) {
      if (buffer.is_floating_point()) statistics.push_back(buffer);
    }
    average_statistics(statistics);
  }
  copy->eval();
  return copy;
}

NamedTensors Learner::state() const {
  NamedTensors result = replicas_.front().network->state_dict();
  for (auto& [name, tensor] : result) tensor = tensor.detach().to(at::kCPU).contiguous();
  for (std::size_t part = 1; part < replicas_.size(); ++part)
    append(result, statistics_prefix(part), named_statistics(replicas_[part].network));
  if (recipe_.ema > 0) append(result, average_prefix, average_.network->state_dict());
  for (const NetworkOptimizer& optimizer : optimizers_) append(result, optimizer_prefix, optimizer.state());
  result.emplace_back(steps_name, at::scalar_tensor(steps_, at::kLong));
  if (!group_.alone() && !synchronised_)
    result.emplace_back(processes_name, group_.gather(at::cat(own_statistics())).to(at::kCPU));
  return result;
}

void Learner::load_state(const NamedTensors& state, const std::string& where) {
  at::Tensor steps = at::zeros({}, at::kLong);
  restore({{steps_name, steps}}, state, where);
  restore(replicas_.front().network->state_dict(), state, where);
  for (std::size_t part = 1; part < replicas_.size(); ++part)
    restore(named_statistics(replicas_[part].network), with_prefix(state, statistics_prefix(part)), where);
  if (recipe_.ema > 0) restore(average_.network->state_dict(), with_prefix(state, average_prefix), where);
  const NamedTensors optimizer = with_prefix(state, optimizer_prefix);
  for (NetworkOptimizer& one : optimizers_) one.load_state(optimizer, where);
  steps_ = steps.item<std::int64_t>();
  update_tiles();
  const NamedTensors processes = with_prefix(state, processes_name);
  if (processes.empty() || processes.front().second.size(0) != static_cast<std::int64_t>(group_.size()))
    return;
  const torch::NoGradGuard no_grad;
  std::int64_t start = 0;
  for (const at::Tensor& one : own_statistics()) {
    const auto rank = static_cast<std::int64_t>(group_.rank());
    one.copy_(processes.front().second[rank].narrow(0, start, one.numel()));
    start += one.numel();
  }
}

}  // namespace resnet
