#ifndef RESNET_TRAINING_SHARED_CLASSIFICATION_H
#define RESNET_TRAINING_SHARED_CLASSIFICATION_H

#include <filesystem>
#include <string>
#include <vector>

#include "training/classifier.h"
#include "training/process_group.h"

namespace resnet {

/// Lets the processes on one machine share its cores and GPUs.
void use_local_share(ClassifierOptions& options, const ProcessGroup& group);

/// Classifier::run, the work shared by processes: each reads and classifies some of the pictures, and the
/// first is told of all of them, in order. What waits to be told is a thousand pictures a process at most.
/// @param pictures the same in all processes
/// @return false, in all, when Ctrl-C ended it early
bool classify_together(Classifier& classifier, const ProcessGroup& group,
                       const std::vector<std::filesystem::path>& pictures, const std::string& title,
                       const Classifier::OnResult& on_result, const OnFailure& on_failure);

}  // namespace resnet

#endif
