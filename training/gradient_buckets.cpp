#include "training/gradient_buckets.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace resnet {
namespace {

constexpr std::int64_t bucket_numbers = 2 << 20;  // 8 MiB: a few to a network, so that they overlap

/// Parameters from the last to the first, as their gradients come about.
std::vector<std::vector<std::size_t>> in_buckets(const std::vector<at::Tensor>& parameters) {
  std::vector<std::vector<std::size_t>> buckets(1);
  std::int64_t numbers = 0;
  for (std::size_t i = parameters.size(); i-- > 0;) {
    if (numbers > 0 && numbers + parameters[i].numel() > bucket_numbers) {
      buckets.emplace_back();
      numbers = 0;
    }
    numbers += parameters[i].numel();
    buckets.back().push_back(i);
  }
  return buckets;
}

}  // namespace

class GradientBuckets::Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientBuckets& buckets, std::size_t bucket) : buckets_(buckets), bucket_(bucket) {}
  void operator()(const at::Tensor& /*parameter*/) override { buckets_.arrived(bucket_); }

 private:
  GradientBuckets& buckets_;
  const std::size_t bucket_;
};

GradientBuckets::GradientBuckets(std::vector<std::vector<at::Tensor>> replicas, const ProcessGroup& group)
    : replicas_(std::move(replicas)), group_(group) {
  const std::vector<at::Tensor>& parameters = replicas_.front();
  const auto grouped = in_buckets(parameters);
  buckets_ = std::vector<Bucket>(grouped.size());
  for (std::size_t b = 0; b < grouped.size(); ++b) {
    Bucket& bucket = buckets_[b];
    bucket.parameters = grouped[b];
    std::int64_t numbers = 0;
    for (const std::size_t i : grouped[b]) numbers += parameters[i].numel();
    bucket.sums = at::zeros(numbers, parameters.front().options().dtype(at::kFloat).requires_grad(false));
    std::int64_t start = 0;
    for (const std::size_t i : grouped[b]) {
      bucket.pieces.push_back(bucket.sums.as_strided(parameters[i].sizes(), parameters[i].strides(), start));
      start += parameters[i].numel();
      for (const auto& replica : replicas_)
        torch::autograd::impl::set_post_acc_grad_hooks(replica[i], std::make_unique<Hook>(*this, b));
    }
  }
}

GradientBuckets::~GradientBuckets() {
  for (const auto& replica : replicas_) {
    for (const at::Tensor& parameter : replica)
      torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
  }
}

void GradientBuckets::begin(std::size_t replicas) {
  for (Bucket& bucket : buckets_) {
    bucket.missing = replicas * bucket.parameters.size();
    bucket.filled = false;
    bucket.wait = nullptr;
  }
  sent_ = 0;
  sending_ = true;
}

/// In the thread that computed the gradient.
void GradientBuckets::arrived(std::size_t number) {
  if (!sending_) return;
  Bucket& bucket = buckets_[number];
  if (bucket.missing.fetch_sub(1) != 1) return;
  fill(bucket);
  const std::scoped_lock lock(mutex_);
  bucket.filled = true;
  send_filled();
}

void GradientBuckets::fill(Bucket& bucket) const {
  const at::NoGradGuard no_grad;
  for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
    const std::size_t parameter = bucket.parameters[k];
    at::Tensor& sum = bucket.pieces[k];
    bool first = true;
    for (const auto& replica : replicas_) {
      const at::Tensor& gradient = replica[parameter].grad();
      if (!gradient.defined()) continue;
      first ? sum.copy_(gradient) : sum.add_(gradient);
      first = false;
    }
    if (first) sum.zero_();
  }
}

// In the same order in every process, whichever was filled first.
void GradientBuckets::send_filled() {
  for (; sent_ < buckets_.size() && buckets_[sent_].filled; ++sent_)
    buckets_[sent_].wait = group_.start_sum(buckets_[sent_].sums);
}

void GradientBuckets::end() {
  sending_ = false;
  const std::scoped_lock lock(mutex_);
  for (Bucket& bucket : buckets_) {
    if (bucket.filled) continue;
    fill(bucket);
    bucket.filled = true;
  }
  send_filled();
  for (Bucket& bucket : buckets_) {
    bucket.wait();
    for (std::size_t k = 0; k < bucket.parameters.size(); ++k)
      replicas_.front()[bucket.parameters[k]].mutable_grad() = bucket.pieces[k];
  }
}

}  // namespace resnet
