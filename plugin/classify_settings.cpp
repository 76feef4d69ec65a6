#include "plugin/classify_settings.h"

#include <functional>
#include <vector>

#include <gst/gst.h>

namespace resnet {

namespace {

GType precision_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Precision::automatic), "The fastest that the device runs in hardware", "auto"},
      {static_cast<gint>(Precision::fp32), "32-bit floating point", "fp32"},
      {static_cast<gint>(Precision::bf16), "bfloat16", "bf16"},
      {static_cast<gint>(Precision::fp16), "16-bit floating point (CUDA)", "fp16"},
      {static_cast<gint>(Precision::int8), "8-bit integers (quantized model files)", "int8"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstResnetPrecision", values);
  return type;
}

// 0 stands for "what the model file says".
constexpr gint activation_value(std::optional<Activation> activation) {
  return activation ? 1 + static_cast<gint>(*activation) : 0;
}

GType activation_type() {
  static const GEnumValue values[] = {
      {activation_value({}), "What the model file says, else softmax", "auto"},
      {activation_value(Activation::softmax), "One class of all: probabilities sum to 1", "softmax"},
      {activation_value(Activation::sigmoid), "Multi-label: each class by itself", "sigmoid"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstResnetActivation", values);
  return type;
}

constexpr guint classes_flag = 1, features_flag = 2;

GType output_type() {
  static const GFlagsValue values[] = {
      {classes_flag, "The most probable classes", "classes"},
      {features_flag, "The pooled features that the network's head sees (an embedding)", "features"},
      {0, nullptr, nullptr}};
  static const GType type = g_flags_register_static("GstResnetOutput", values);
  return type;
}

GType inference_region_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(InferenceRegion::full_frame), "The whole frame", "full-frame"},
      {static_cast<gint>(InferenceRegion::roi_list), "Each GstVideoRegionOfInterestMeta on it", "roi-list"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstResnetInferenceRegion", values);
  return type;
}

void read(const GValue* value, std::string& to) {
  const char* text = g_value_get_string(value);
  to = text ? text : "";
}
void read(const GValue* value, bool& to) { to = g_value_get_boolean(value) != FALSE; }
void read(const GValue* value, unsigned& to) { to = g_value_get_uint(value); }
void read(const GValue* value, std::uint64_t& to) { to = g_value_get_uint64(value); }
void read(const GValue* value, double& to) { to = g_value_get_double(value); }
void read(const GValue* value, std::optional<Activation>& to) {
  const gint number = g_value_get_enum(value);
  to = number == 0 ? std::nullopt : std::optional(static_cast<Activation>(number - 1));
}
void read(const GValue* value, ClassifyOutput& to) {
  const guint flags = g_value_get_flags(value);
  to = {(flags & classes_flag) != 0, (flags & features_flag) != 0};
}
template <typename Enum>
requires std::is_enum_v<Enum>
void read(const GValue* value, Enum& to) { to = static_cast<Enum>(g_value_get_enum(value)); }

void write(GValue* value, const std::string& from) {
  g_value_set_string(value, from.empty() ? nullptr : from.c_str());
}
void write(GValue* value, bool from) { g_value_set_boolean(value, from); }
void write(GValue* value, unsigned from) { g_value_set_uint(value, from); }
void write(GValue* value, std::uint64_t from) { g_value_set_uint64(value, from); }
void write(GValue* value, double from) { g_value_set_double(value, from); }
void write(GValue* value, std::optional<Activation> from) { g_value_set_enum(value, activation_value(from)); }
void write(GValue* value, const ClassifyOutput& from) {
  g_value_set_flags(value, (from.classes ? classes_flag : 0) | (from.features ? features_flag : 0));
}
template <typename Enum>
requires std::is_enum_v<Enum>
void write(GValue* value, Enum from) { g_value_set_enum(value, static_cast<gint>(from)); }

struct Property {
  std::function<void(ClassifySettings&, const GValue*)> set;
  std::function<void(const ClassifySettings&, GValue*)> get;
  bool opens = false;  // it takes opening the engine anew
};

// Installs properties and remembers which member each one is.
class Installer {
 public:
  explicit Installer(GObjectClass* object_class) : object_class_(object_class) {}

  /// @param member (ClassifySettings&) → the member's reference
  template <typename Member>
  void add(GParamSpec* spec, bool opens, Member member) {
    install(spec, PROP_CLASSIFY_SETTINGS + static_cast<guint>(properties().size()));
    properties().push_back({[member](ClassifySettings& s, const GValue* value) { read(value, member(s)); },
                            [member](const ClassifySettings& s, GValue* value) { write(value, member(s)); },
                            opens});
  }
  void install(GParamSpec* spec, guint id) { g_object_class_install_property(object_class_, id, spec); }

  static std::vector<Property>& properties() {
    static std::vector<Property> all;
    return all;
  }

 private:
  GObjectClass* object_class_;
};

constexpr auto always = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
constexpr auto ready = static_cast<GParamFlags>(always | GST_PARAM_MUTABLE_READY);
constexpr auto playing = static_cast<GParamFlags>(always | GST_PARAM_MUTABLE_PLAYING);

void install_engine_properties(Installer& installer) {
  const ClassifySettings d;
  installer.install(
      g_param_spec_string(
          "model", "Model",
          "File of a ResNet's weights: .pth of torch.save or .safetensors. Set while PLAYING, it is "
          "loaded aside and takes over between two frames; one that cannot be used is a warning, and "
          "the old one serves on",
          nullptr, playing),
      PROP_CLASSIFY_MODEL);
  installer.add(
      g_param_spec_string("labels-file", "Labels file",
                          "class_indices.json, or a .txt file with a label on each line; unset: the model "
                          "file's own classes, else "
                          "class_indices.json or timm's config.json beside it",
                          nullptr, ready),
      true, [](auto& s) -> auto& { return s.labels_file; });
  installer.add(
      g_param_spec_string("device", "Device", "Where the network runs: auto, cpu, cuda or cuda:N",
                          d.device.c_str(), ready),
      true, [](auto& s) -> auto& { return s.device; });
  installer.add(
      g_param_spec_enum("precision", "Precision", "Number format of the network", precision_type(),
                        static_cast<gint>(d.precision), ready),
      true, [](auto& s) -> auto& { return s.precision; });
  installer.add(
      g_param_spec_uint("threads", "Threads", "CPU threads of the network (0 = all cores)", 0, 1024,
                        d.threads, ready),
      true, [](auto& s) -> auto& { return s.threads; });
  installer.add(
      g_param_spec_string("model-instance-id", "Model instance",
                          "Elements with the same model, device, precision, threads and instance share one "
                          "network in memory and fill its batches together",
                          nullptr, ready),
      true, [](auto& s) -> auto& { return s.model_instance_id; });
  installer.add(
      g_param_spec_enum("activation", "Activation", "What makes probabilities of the network's output",
                        activation_type(), activation_value(d.activation), ready),
      true, [](auto& s) -> auto& { return s.activation; });
  installer.add(
      g_param_spec_flags("output", "Output", "What frames are annotated with", output_type(), classes_flag,
                         ready),
      true, [](auto& s) -> auto& { return s.output; });
  installer.add(
      g_param_spec_uint("batch-size", "Batch size",
                        "Most frames that run through the network at once; of elements that share it, the "
                        "largest counts",
                        1, 256, d.batch_size, ready),
      true, [](auto& s) -> auto& { return s.batch_size; });
  installer.add(
      g_param_spec_uint64("batch-timeout", "Batch timeout",
                          "How long a frame may wait for others to fill its batch, in nanoseconds: 40 ms are "
                          "40000000 (0 = not at all)",
                          0, G_MAXINT64, d.batch_timeout, ready),
      true, [](auto& s) -> auto& { return s.batch_timeout; });
  installer.add(
      g_param_spec_uint("max-in-flight", "Max in flight",
                        "Most frames inside the element; raised to batch-size where it is below", 1, 4096,
                        d.max_in_flight, ready),
      true, [](auto& s) -> auto& { return s.max_in_flight; });
}

void install_inference_properties(Installer& installer) {
  const ClassifySettings::Frame d;
  installer.add(
      g_param_spec_boolean("enabled", "Enabled", "Classify at all; false: frames pass untouched", d.enabled,
                           playing),
      false, [](auto& s) -> auto& { return s.frame.enabled; });
  installer.add(
      g_param_spec_uint("inference-interval", "Inference interval",
                        "Classify each n-th frame; the others carry the last result with its age", 1,
                        G_MAXUINT, d.inference_interval, playing),
      false, [](auto& s) -> auto& { return s.frame.inference_interval; });
  installer.add(
      g_param_spec_boolean("qos", "Quality of service",
                           "Late frames, and those of a live source that is faster than the network, carry "
                           "the last result with its age instead of being classified. No frame is dropped",
                           d.qos, playing),
      false, [](auto& s) -> auto& { return s.frame.qos; });
  installer.add(
      g_param_spec_double("change-threshold", "Change threshold",
                          "A frame whose network input differs less than this from the last classified one, "
                          "in 8-bit steps on average, carries that one's result (-1 = off, 0 = only if "
                          "identical). Not with inference-region=roi-list",
                          -1, 255, d.change_threshold, playing),
      false, [](auto& s) -> auto& { return s.frame.change_threshold; });
  installer.add(
      g_param_spec_enum("inference-region", "Inference region", "What of a frame is classified",
                        inference_region_type(), static_cast<gint>(d.inference_region), playing),
      false, [](auto& s) -> auto& { return s.frame.inference_region; });
  installer.add(
      g_param_spec_string(
          "object-class", "Object class",
          "With inference-region=roi-list: only regions of this type, or of one of several as "
          "\"car,truck\" (unset: all)",
          nullptr, playing),
      false, [](auto& s) -> auto& { return s.frame.object_class; });
  installer.add(
      g_param_spec_uint("min-region-size", "Minimal region size",
                        "With inference-region=roi-list: only regions with a shorter side of at least so "
                        "many pixels",
                        1, G_MAXINT, d.min_region_size, playing),
      false, [](auto& s) -> auto& { return s.frame.min_region_size; });
  installer.add(
      g_param_spec_uint("reclassify-interval", "Reclassify interval",
                        "With inference-region=roi-list: an object that a tracker upstream has numbered is "
                        "classified each n-th frame, and carries its last result in between (0 = once)",
                        0, G_MAXUINT, d.reclassify_interval, playing),
      false, [](auto& s) -> auto& { return s.frame.reclassify_interval; });
}

void install_result_properties(Installer& installer) {
  const ClassifySettings::Frame d;
  installer.add(
      g_param_spec_uint("top-k", "Top k",
                        "Most classes that a frame is annotated with (0 = one, or with a multi-label model "
                        "all)",
                        0, 1000, d.top_k, playing),
      false, [](auto& s) -> auto& { return s.frame.top_k; });
  installer.add(
      g_param_spec_double(
          "threshold", "Threshold",
          "Classes less probable than this are left out; a frame with none left is annotated "
          "with an empty list, none of these (-1 = what the model file suggests, as training "
          "or 'resnet evaluate --calibrate' found it, else 0, or with a multi-label model 0.5)",
          -1, 1, d.threshold, playing),
      false, [](auto& s) -> auto& { return s.frame.threshold; });
  installer.add(
      g_param_spec_double("smoothing", "Smoothing",
                          "Weight of the past in each result: p = smoothing * p_before + (1 - smoothing) * "
                          "p_now (0 = none). Starts anew with a segment and when the scene changes",
                          0, 0.999, d.smoothing, playing),
      false, [](auto& s) -> auto& { return s.frame.smoothing; });
  installer.add(
      g_param_spec_double(
          "hysteresis", "Hysteresis",
          "The first class stays first until another is more probable by this much, and a class "
          "that is not left out stays until it is less probable than the threshold by so "
          "much",
          0, 1, d.hysteresis, playing),
      false, [](auto& s) -> auto& { return s.frame.hysteresis; });
  installer.add(
      g_param_spec_boolean("overlay", "Overlay", "Draw the classes on the video", d.overlay, playing), false,
      [](auto& s) -> auto& { return s.frame.overlay; });
  installer.add(
      g_param_spec_boolean(
          "on-change", "On change",
          "Post an element message \"resnetclassify-change\" when the frame's first class changes. "
          "Not with inference-region=roi-list",
          d.on_change, playing),
      false, [](auto& s) -> auto& { return s.frame.on_change; });
  installer.install(g_param_spec_boxed("stats", "Statistics", "Counters, times and latencies since READY",
                                       GST_TYPE_STRUCTURE,
                                       static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)),
                    PROP_CLASSIFY_STATS);
  installer.add(
      g_param_spec_uint64("stats-interval", "Statistics interval",
                          "Post the statistics as an element message \"resnetclassify-stats\" this often, "
                          "in nanoseconds (0 = never)",
                          0, G_MAXINT64, d.stats_interval, playing),
      false, [](auto& s) -> auto& { return s.frame.stats_interval; });
}

}  // namespace

void install_classify_properties(GObjectClass* object_class) {
  Installer installer(object_class);
  install_engine_properties(installer);
  install_inference_properties(installer);
  install_result_properties(installer);
  gst_type_mark_as_plugin_api(precision_type(), static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(activation_type(), static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(output_type(), static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(inference_region_type(), static_cast<GstPluginAPIFlags>(0));
}

bool set_classify_property(ClassifySettings& settings, GObject* object, guint id, const GValue* value,
                           GParamSpec* spec) {
  if (id == PROP_CLASSIFY_MODEL) {
    read(value, settings.model);
    return true;
  }
  const guint index = id - PROP_CLASSIFY_SETTINGS;
  if (index >= Installer::properties().size()) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    return false;
  }
  const Property& property = Installer::properties()[index];
  property.set(settings, value);
  return property.opens;
}

void get_classify_property(const ClassifySettings& settings, GObject* object, guint id, GValue* value,
                           GParamSpec* spec) {
  const guint index = id - PROP_CLASSIFY_SETTINGS;
  if (id == PROP_CLASSIFY_MODEL) {
    write(value, settings.model);
  } else if (index < Installer::properties().size()) {
    Installer::properties()[index].get(settings, value);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

}  // namespace resnet
