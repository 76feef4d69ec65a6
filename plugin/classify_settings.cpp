#include "plugin/classify_settings.h"

#include <gst/gst.h>

namespace resnet {

namespace {

enum Property : guint {
  PROP_0,
  PROP_MODEL,
  PROP_LABELS_FILE,
  PROP_DEVICE,
  PROP_PRECISION,
  PROP_THREADS,
  PROP_BATCH_SIZE,
  PROP_BATCH_TIMEOUT,
  PROP_MAX_IN_FLIGHT,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_OVERLAY
};

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

std::string string_of(const GValue* value) {
  const char* text = g_value_get_string(value);
  return text ? text : "";
}

}  // namespace

void install_classify_properties(GObjectClass* object_class) {
  const ClassifySettings defaults;
  const auto always = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  const auto ready = static_cast<GParamFlags>(always | GST_PARAM_MUTABLE_READY);
  const auto playing = static_cast<GParamFlags>(always | GST_PARAM_MUTABLE_PLAYING);
  const auto install = [&](guint id, GParamSpec* spec) {
    g_object_class_install_property(object_class, id, spec);
  };
  install(PROP_MODEL, g_param_spec_string("model", "Model",
                                          "File of a ResNet's weights: .pth of torch.save or .safetensors",
                                          nullptr, ready));
  install(PROP_LABELS_FILE,
          g_param_spec_string(
              "labels-file", "Labels file",
              "class_indices.json; unset: the model file's own classes, else class_indices.json beside it",
              nullptr, ready));
  install(PROP_DEVICE,
          g_param_spec_string("device", "Device", "Where the network runs: auto, cpu, cuda or cuda:N",
                              defaults.device.c_str(), ready));
  install(PROP_PRECISION, g_param_spec_enum("precision", "Precision", "Number format of the network",
                                            precision_type(), static_cast<gint>(defaults.precision), ready));
  install(PROP_THREADS, g_param_spec_uint("threads", "Threads", "CPU threads of the network (0 = all cores)",
                                          0, 1024, defaults.threads, ready));
  install(PROP_BATCH_SIZE,
          g_param_spec_uint("batch-size", "Batch size", "Most frames that run through the network at once", 1,
                            256, defaults.batch_size, ready));
  install(PROP_BATCH_TIMEOUT,
          g_param_spec_uint64(
              "batch-timeout", "Batch timeout",
              "How long a frame may wait for others to fill its batch, in nanoseconds (0 = not at all)", 0,
              G_MAXINT64, defaults.batch_timeout, ready));
  install(PROP_MAX_IN_FLIGHT,
          g_param_spec_uint("max-in-flight", "Max in flight",
                            "Most frames inside the element; raised to batch-size where it is below", 1, 4096,
                            defaults.max_in_flight, ready));
  install(PROP_TOP_K, g_param_spec_uint("top-k", "Top k", "Most classes that a frame is annotated with", 1,
                                        1000, defaults.annotation.top_k, playing));
  install(PROP_THRESHOLD,
          g_param_spec_double(
              "threshold", "Threshold",
              "Classes less probable than this are left out (-1 = what the model file suggests, else 0)", -1,
              1, defaults.annotation.threshold, playing));
  install(PROP_OVERLAY, g_param_spec_boolean("overlay", "Overlay", "Draw the classes on the video",
                                             defaults.annotation.overlay, playing));
  gst_type_mark_as_plugin_api(precision_type(), static_cast<GstPluginAPIFlags>(0));
}

bool set_classify_property(ClassifySettings& s, GObject* object, guint id, const GValue* value,
                           GParamSpec* spec) {
  switch (id) {
    case PROP_MODEL:
      s.model = string_of(value);
      break;
    case PROP_LABELS_FILE:
      s.labels_file = string_of(value);
      break;
    case PROP_DEVICE:
      s.device = string_of(value);
      break;
    case PROP_PRECISION:
      s.precision = static_cast<Precision>(g_value_get_enum(value));
      break;
    case PROP_THREADS:
      s.threads = g_value_get_uint(value);
      break;
    case PROP_BATCH_SIZE:
      s.batch_size = g_value_get_uint(value);
      break;
    case PROP_BATCH_TIMEOUT:
      s.batch_timeout = g_value_get_uint64(value);
      break;
    case PROP_MAX_IN_FLIGHT:
      s.max_in_flight = g_value_get_uint(value);
      break;
    case PROP_TOP_K:
      s.annotation.top_k = g_value_get_uint(value);
      return false;
    case PROP_THRESHOLD:
      s.annotation.threshold = g_value_get_double(value);
      return false;
    case PROP_OVERLAY:
      s.annotation.overlay = g_value_get_boolean(value) != FALSE;
      return false;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      return false;
  }
  return true;
}

void get_classify_property(const ClassifySettings& s, GObject* object, guint id, GValue* value,
                           GParamSpec* spec) {
  switch (id) {
    case PROP_MODEL:
      g_value_set_string(value, s.model.empty() ? nullptr : s.model.c_str());
      break;
    case PROP_LABELS_FILE:
      g_value_set_string(value, s.labels_file.empty() ? nullptr : s.labels_file.c_str());
      break;
    case PROP_DEVICE:
      g_value_set_string(value, s.device.c_str());
      break;
    case PROP_PRECISION:
      g_value_set_enum(value, static_cast<gint>(s.precision));
      break;
    case PROP_THREADS:
      g_value_set_uint(value, s.threads);
      break;
    case PROP_BATCH_SIZE:
      g_value_set_uint(value, s.batch_size);
      break;
    case PROP_BATCH_TIMEOUT:
      g_value_set_uint64(value, s.batch_timeout);
      break;
    case PROP_MAX_IN_FLIGHT:
      g_value_set_uint(value, s.max_in_flight);
      break;
    case PROP_TOP_K:
      g_value_set_uint(value, s.annotation.top_k);
      break;
    case PROP_THRESHOLD:
      g_value_set_double(value, s.annotation.threshold);
      break;
    case PROP_OVERLAY:
      g_value_set_boolean(value, s.annotation.overlay);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      break;
  }
}

}  // namespace resnet
