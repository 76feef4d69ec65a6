#ifndef RESNET_TRAINING_TIME_BUDGET_H
#define RESNET_TRAINING_TIME_BUDGET_H

#include "training/process_group.h"
#include "training/recipe.h"
#include "training/time_plan.h"

namespace resnet {

/// Finds out how many epochs a run's minutes are enough for, before it and after each epoch. All processes of
/// a group come to the same number.
class TimeBudget {
 public:
  /// @param own what an epoch of this process's share costs
  /// @param recipe of which the epochs are set; it and the group must outlive this
  TimeBudget(const Costs& own, Recipe& recipe, const ProcessGroup& group);

  /// Sets the epochs.
  /// @param done epochs before
  /// @param seconds that the run has taken
  void plan(int done, double seconds);
  /// Sets them anew when what there is does not fit, or much more does: the learning rate follows them.
  /// @param epoch that was done last, from 1
  /// @param epoch_seconds of its training; 0: not a measure of the next ones
  void replan(int epoch, double epoch_seconds, double seconds);

 private:
  int epochs_that_fit_after(int done, double seconds) const;

  Costs costs_;
  Recipe& recipe_;
  const ProcessGroup& group_;
};

}  // namespace resnet

#endif
