#ifndef RESNET_PLUGIN_CLASSIFY_SETTINGS_H
#define RESNET_PLUGIN_CLASSIFY_SETTINGS_H

#include <cstdint>
#include <string>

#include <glib-object.h>

#include "model/precision.h"

namespace resnet {

/// The properties of resnetclassify; their defaults stand here and nowhere else.
struct ClassifySettings {
  /// What may change from frame to frame.
  struct Annotation {
    unsigned top_k = 1;
    double threshold = -1;  ///< −1: what the model file suggests
    bool overlay = true;
  };

  std::string model;
  std::string labels_file;
  std::string device = "auto";
  Precision precision = Precision::automatic;
  unsigned threads = 0;
  unsigned batch_size = 8;
  std::uint64_t batch_timeout = 0;  ///< ns
  unsigned max_in_flight = 16;
  Annotation annotation;
};

/// Installs the properties on the class; ids are ClassifySettings' own.
void install_classify_properties(GObjectClass* object_class);
/// The caller holds the lock of the settings. @return whether it takes opening the engine anew to take effect
bool set_classify_property(ClassifySettings& settings, GObject* object, guint id, const GValue* value,
                           GParamSpec* spec);
void get_classify_property(const ClassifySettings& settings, GObject* object, guint id, GValue* value,
                           GParamSpec* spec);

}  // namespace resnet

#endif
