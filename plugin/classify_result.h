#ifndef RESNET_PLUGIN_CLASSIFY_RESULT_H
#define RESNET_PLUGIN_CLASSIFY_RESULT_H

#include "plugin/classification_meta.h"
#include "plugin/classify_job.h"
#include "plugin/classify_settings.h"
#include "plugin/result_tracker.h"

namespace resnet {

/// The probability below which a class is left out.
double least_probability(const OpenModel& model, const ClassifySettings::Frame& settings);

/// The classes that a result is, best first: none that is left out, and no more than wanted.
std::vector<ClassScore> class_scores(const OpenModel& model, const std::vector<float>& probabilities,
                                     const ClassifySettings::Frame& settings);

/// The same of a stream over time: its leader comes first even where another is more probable.
std::vector<ClassScore> class_scores(const OpenModel& model, const ResultTracker& tracker,
                                     const ClassifySettings::Frame& settings);

}  // namespace resnet

#endif
