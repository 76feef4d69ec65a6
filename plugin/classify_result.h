#ifndef RESNET_PLUGIN_CLASSIFY_RESULT_H
#define RESNET_PLUGIN_CLASSIFY_RESULT_H

#include <optional>

#include "plugin/classification_meta.h"
#include "plugin/classify_job.h"
#include "plugin/classify_settings.h"

namespace resnet {

/// The best classes: at most `top_k`, none less probable than the threshold.
/// @param leader the class that comes first even where another is more probable; nothing: there is none
std::vector<ClassScore> best_classes(const OpenModel& model, const std::vector<float>& probabilities,
                                     const ClassifySettings::Frame& settings,
                                     std::optional<std::size_t> leader = {});

}  // namespace resnet

#endif
