#ifndef RESNET_PLUGIN_CLASSIFY_SETTINGS_H
#define RESNET_PLUGIN_CLASSIFY_SETTINGS_H

#include <cstdint>
#include <optional>
#include <string>

#include <glib-object.h>

#include "model/activation.h"
#include "model/precision.h"

namespace resnet {

/// Which pictures of a frame are classified.
enum class InferenceRegion : std::uint8_t {
  full_frame,
  roi_list  ///< each GstVideoRegionOfInterestMeta
};

/// What frames are annotated with.
struct ClassifyOutput {
  bool classes = true;
  bool features = false;
};

/// The properties of resnetclassify; their defaults stand here and nowhere else.
struct ClassifySettings {
  /// What may change from frame to frame.
  struct Frame {
    bool enabled = true;
    unsigned inference_interval = 1;
    bool qos = true;
    double change_threshold = -1;  ///< −1: off
    InferenceRegion inference_region = InferenceRegion::full_frame;
    std::string object_class;          ///< empty: every region
    unsigned min_region_size = 1;      ///< pixels, of the shorter side
    unsigned reclassify_interval = 1;  ///< frames; 0: a tracked object is classified once
    unsigned top_k = 0;                ///< 0: one class, or with a multi-label model all
    double threshold = -1;             ///< −1: what the model file suggests
    double smoothing = 0;
    double hysteresis = 0;
    bool overlay = true;
    bool on_change = false;
    std::uint64_t stats_interval = 0;  ///< ns; 0: no messages
  };

  std::string model;
  std::string labels_file;
  std::string device = "auto";
  Precision precision = Precision::automatic;
  unsigned threads = 0;
  std::string model_instance_id;
  std::optional<Activation> activation;  ///< nothing: what the model file says
  ClassifyOutput output;
  unsigned batch_size = 8;
  std::uint64_t batch_timeout = 0;  ///< ns
  unsigned max_in_flight = 16;
  Frame frame;
};

/// The ids of the properties that the element handles itself; ClassifySettings' own come behind them.
enum ClassifyProperty : guint {
  PROP_CLASSIFY_0,
  PROP_CLASSIFY_MODEL,
  PROP_CLASSIFY_STATS,
  PROP_CLASSIFY_SETTINGS
};

/// Installs all properties on the class.
void install_classify_properties(GObjectClass* object_class);
/// The caller holds the lock of the settings. @return whether it takes opening the engine anew to take effect
bool set_classify_property(ClassifySettings& settings, GObject* object, guint id, const GValue* value,
                           GParamSpec* spec);
void get_classify_property(const ClassifySettings& settings, GObject* object, guint id, GValue* value,
                           GParamSpec* spec);

}  // namespace resnet

#endif
