#ifndef RESNET_PLUGIN_CLASSIFY_RESULT_H
#define RESNET_PLUGIN_CLASSIFY_RESULT_H

#include "plugin/classification_meta.h"
#include "plugin/classify_job.h"
#include "plugin/classify_settings.h"
#include "plugin/result_tracker.h"

namespace resnet {

/// How a stream's or a region's results are taken in; classes below the threshold are left out.
ResultTracker::Smoothing smoothing_of(const OpenModel& model, const ClassifySettings::Frame& settings);

/// The classes that are there, best first and no more than wanted; the leader comes first even where another
/// is more probable.
std::vector<ClassScore> class_scores(const OpenModel& model, const ResultTracker& tracker,
                                     const ClassifySettings::Frame& settings);

}  // namespace resnet

#endif
