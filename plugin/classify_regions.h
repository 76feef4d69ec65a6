#ifndef RESNET_PLUGIN_CLASSIFY_REGIONS_H
#define RESNET_PLUGIN_CLASSIFY_REGIONS_H

#include <string>

#include "plugin/classify_state.h"

namespace resnet {

/// Takes in the results of a job whose frame has left without them.
void track_late_regions(ClassifyState::Output& out, const std::shared_ptr<ClassifyJob>& job, GstClockTime pts,
                        const ClassifySettings::Frame& settings);

/// Puts on each region of a writable buffer what is known of it: the job's results, which are taken in, and
/// the last ones of the regions that the job has none of.
/// @param job with its results, or none  @param stream the element's name
void annotate_regions(ClassifyState::Output& out, const std::shared_ptr<ClassifyJob>& job, GstBuffer* buffer,
                      const ClassifySettings::Frame& settings, const std::string& stream);

}  // namespace resnet

#endif
