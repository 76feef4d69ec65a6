#ifndef RESNET_PLUGIN_CLASSIFY_RESULT_H
#define RESNET_PLUGIN_CLASSIFY_RESULT_H

#include "model/engine.h"
#include "plugin/classification_meta.h"
#include "plugin/classify_settings.h"

namespace resnet {

/// The best classes of a request that is done: at most `top_k`, none less probable than the threshold.
Classification make_classification(const Engine& engine, const EngineRequest& request,
                                   const ClassifySettings::Annotation& annotation, const char* stream);

}  // namespace resnet

#endif
