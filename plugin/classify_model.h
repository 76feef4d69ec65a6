#ifndef RESNET_PLUGIN_CLASSIFY_MODEL_H
#define RESNET_PLUGIN_CLASSIFY_MODEL_H

#include <gst/gst.h>

#include "plugin/classify_state.h"

namespace resnet {

/// NULL→READY: opens the model that the settings ask for. @return false, with the error on the bus
bool open_model(GstElement* element, ClassifyState& state);

/// READY→PAUSED: opens it anew when settings changed in READY, runs it once so that the first frame need not
/// wait for one-time work, and takes reloads from now on. @return false, with the error on the bus
bool prepare_model(GstElement* element, ClassifyState& state);

/// After the path was set: from PAUSED on, loads the model in a thread of its own, while the present one goes
/// on; failure is a warning on the bus, and the setting is the present one's path again.
void reload_model(GstElement* element, ClassifyState& state);

/// PAUSED→READY: one that was just loaded is the model now; none is taken any more.
void stop_reloading(ClassifyState& state);

/// READY→NULL
void close_model(ClassifyState& state);

}  // namespace resnet

#endif
