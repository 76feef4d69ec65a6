#include "training/time_budget.h"

#include <array>

#include <ATen/ops/tensor.h>

namespace resnet {
namespace {

/// At the pace of the slowest process, each with its share of the pictures.
Costs slowest(Costs costs, const ProcessGroup& group) {
  if (group.alone()) return costs;
  const std::array<double*, 4> numbers{&costs.small.picture_seconds, &costs.large.picture_seconds,
                                       &costs.val_seconds, &costs.once_seconds};
  std::vector<double> own;
  for (const double* number : numbers) own.push_back(*number);
  const at::Tensor most = group.gather(at::tensor(own, at::kDouble)).amax(0);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    *numbers[i] = most.const_data_ptr<double>()[i] / static_cast<double>(group.size());
  return costs;
}

}  // namespace

TimeBudget::TimeBudget(const Costs& own, Recipe& recipe, const ProcessGroup& group)
    : costs_(slowest(own, group)), recipe_(recipe), group_(group) {}

int TimeBudget::epochs_that_fit_after(int done, double seconds) const {
  constexpr double part_of_the_time = 0.97;  // what is not foreseen takes the rest
  const double left = recipe_.minutes * 60 * part_of_the_time - seconds;
  return epochs_that_fit(recipe_, costs_, done, group_.of_first(left));
}

void TimeBudget::plan(int done, double seconds) {
  const int epochs = epochs_that_fit_after(done, seconds + costs_.once_seconds);
  // A resumed run keeps to what it was told, if there is time.
  if (done == 0 || epochs < recipe_.epochs) recipe_.epochs = epochs;
}

void TimeBudget::replan(int epoch, double epoch_seconds, double seconds) {
  if (epoch_seconds > 0)
    costs_ = corrected(costs_, training_size(recipe_, epoch - 1), group_.of_first(epoch_seconds));
  if (epoch >= recipe_.epochs) return;
  const int epochs = epochs_that_fit_after(epoch, seconds);
  if (epochs < recipe_.epochs || epochs > recipe_.epochs * 1.05) recipe_.epochs = epochs;
}

}  // namespace resnet
