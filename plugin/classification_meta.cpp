#include "plugin/classification_meta.h"

#include <memory>
#include <stdexcept>

#include "plugin/gstresnetmeta.h"

namespace resnet {

namespace {

template <typename Set>
void take_array(GstStructure* structure, const char* field, GType type, std::size_t count, Set set) {
  GValue array = G_VALUE_INIT;
  gst_value_array_init(&array, static_cast<guint>(count));
  for (std::size_t i = 0; i < count; ++i) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, type);
    set(&value, i);
    gst_value_array_append_and_take_value(&array, &value);
  }
  gst_structure_take_value(structure, field, &array);
}

std::string string_field(const GstStructure* structure, const char* field) {
  const char* text = gst_structure_get_string(structure, field);
  return text ? text : "";
}

Classification read(const GstStructure* structure) {
  Classification c;
  c.model = string_field(structure, "model");
  c.digest = string_field(structure, "digest");
  c.stream = string_field(structure, "stream");
  guint64 age = 0;
  gboolean drawn = FALSE;
  gst_structure_get_uint64(structure, "age", &age);
  gst_structure_get_boolean(structure, "drawn", &drawn);
  c.age = age;
  c.drawn = drawn != FALSE;
  c.has_classes = gst_structure_has_field(structure, "labels") != FALSE;
  if (const GValue* features = gst_structure_get_value(structure, "features");
      features != nullptr && GST_VALUE_HOLDS_BUFFER(features)) {
    c.features = {static_cast<GstBuffer*>(g_value_dup_boxed(features)), gst_buffer_unref};
  }
  c.scores = read_scores(structure);
  return c;
}

void remove_result_of(GstBuffer* buffer, const std::string& stream) {
  const GstMetaInfo* info = gst_meta_get_info(GST_RESNET_CLASSIFICATION_META_NAME);
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta_filtered(buffer, &state, info->api)) {
    if (string_field(gst_custom_meta_get_structure(reinterpret_cast<GstCustomMeta*>(meta)), "stream") ==
        stream) {
      gst_buffer_remove_meta(buffer, meta);
      return;
    }
  }
}

}  // namespace

std::string valid_utf8(const std::string& text) {
  const std::unique_ptr<gchar, decltype(&g_free)> valid(g_utf8_make_valid(text.c_str(), -1), g_free);
  return valid.get();
}

void set_scores(GstStructure* structure, const std::vector<ClassScore>& scores) {
  take_array(structure, "label-ids", G_TYPE_INT, scores.size(),
             [&](GValue* value, std::size_t i) { g_value_set_int(value, scores[i].id); });
  take_array(structure, "labels", G_TYPE_STRING, scores.size(), [&](GValue* value, std::size_t i) {
    g_value_set_string(value, valid_utf8(scores[i].label).c_str());
  });
  take_array(structure, "probabilities", G_TYPE_DOUBLE, scores.size(),
             [&](GValue* value, std::size_t i) { g_value_set_double(value, scores[i].probability); });
}

std::vector<ClassScore> read_scores(const GstStructure* structure) {
  std::vector<ClassScore> scores;
  const guint count = gst_resnet_classification_get_size(structure);
  for (guint i = 0; i < count; ++i) {
    ClassScore score;
    const gchar* label = nullptr;
    if (!gst_resnet_classification_get_class(structure, i, &score.id, &label, &score.probability)) break;
    score.label = label ? label : "";
    scores.push_back(std::move(score));
  }
  return scores;
}

std::vector<float> read_features(GstBuffer* features) {
  std::vector<float> values(gst_buffer_get_size(features) / sizeof(float));
  const gsize bytes = values.size() * sizeof(float);
  if (gst_buffer_extract(features, 0, values.data(), bytes) != bytes) {
    throw std::runtime_error("features cannot be read");
  }
  return values;
}

void register_classification_meta() {
  // An application or a second copy of the plugin may have registered it before.
  static const bool registered = gst_resnet_classification_meta_register() != FALSE;
  (void)registered;
}

void add_classification_meta(GstBuffer* buffer, const Classification& c) {
  register_classification_meta();
  remove_result_of(buffer, c.stream);
  GstCustomMeta* meta = gst_buffer_add_custom_meta(buffer, GST_RESNET_CLASSIFICATION_META_NAME);
  if (!meta) return;
  GstStructure* structure = gst_custom_meta_get_structure(meta);
  gst_structure_set(structure, "version", G_TYPE_UINT, GST_RESNET_CLASSIFICATION_META_VERSION, "model",
                    G_TYPE_STRING, valid_utf8(c.model).c_str(), "digest", G_TYPE_STRING,
                    valid_utf8(c.digest).c_str(), "age", G_TYPE_UINT64, static_cast<guint64>(c.age), "stream",
                    G_TYPE_STRING, valid_utf8(c.stream).c_str(), "drawn", G_TYPE_BOOLEAN,
                    static_cast<gboolean>(c.drawn), nullptr);
  if (c.has_classes) set_scores(structure, c.scores);
  if (c.features) gst_structure_set(structure, "features", GST_TYPE_BUFFER, c.features.get(), nullptr);
}

std::vector<Classification> read_classification_metas(GstBuffer* buffer) {
  std::vector<Classification> results;
  gpointer state = nullptr;
  while (const GstStructure* structure = gst_buffer_iterate_resnet_classification(buffer, &state)) {
    results.push_back(read(structure));
  }
  return results;
}

std::optional<Classification> read_classification_meta(GstBuffer* buffer) {
  const GstStructure* structure = gst_buffer_get_resnet_classification(buffer);
  return structure ? std::optional(read(structure)) : std::nullopt;
}

void read_drawn(GstBuffer* buffer, std::vector<std::size_t>& sizes) {
  sizes.clear();
  gpointer state = nullptr;
  while (const GstStructure* structure = gst_buffer_iterate_resnet_classification(buffer, &state)) {
    gboolean drawn = FALSE;
    gst_structure_get_boolean(structure, "drawn", &drawn);
    const guint size = gst_resnet_classification_get_size(structure);
    if (drawn && size > 0) sizes.push_back(size);
  }
}

void mark_classification_drawn(GstBuffer* buffer) {
  gpointer state = nullptr;
  while (const GstStructure* structure = gst_buffer_iterate_resnet_classification(buffer, &state)) {
    // Of a buffer that is writable, and so its metas.
    gst_structure_set(const_cast<GstStructure*>(structure), "drawn", G_TYPE_BOOLEAN, TRUE, nullptr);
  }
}

void caption_lines(const Classification& classification, std::vector<CaptionLine>& lines) {
  lines.resize(classification.scores.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].label = classification.scores[i].label;
    lines[i].probability = classification.scores[i].probability;
    lines[i].id = classification.scores[i].id;
  }
}

}  // namespace resnet
