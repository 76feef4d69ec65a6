#ifndef GST_RESNET_META_H
#define GST_RESNET_META_H

#include <gst/gst.h>

/**
 * SECTION:gstresnetmeta
 * @title: GstResnetClassificationMeta
 * @short_description: what resnetclassify found out about a frame
 *
 * A #GstCustomMeta without tags, so that any language reads it as a #GstStructure. Each element adds one of
 * its own, and takes away one that has its name:
 *
 *  - `version` (uint): 1
 *  - `model` (string): the model file's name, without folders
 *  - `digest` (string): "sha256:…" of the model's tensors
 *  - `age` (guint64): how old the result is, in nanoseconds; 0: of this frame
 *  - `stream` (string): the name of the element that made it
 *  - `drawn` (boolean): whether the frame shows it already
 *  - `label-ids` (array of int), `labels` (array of string), `probabilities` (array of double, 0…1):
 *    the classes, best first. Empty arrays mean "none of these"; no meta means not classified, and no arrays
 *    that classes were not asked for.
 *  - `features` (#GstBuffer): with `output=features` the pooled vector that the network's head sees, 32-bit
 *    floats in the machine's byte order; use it as an embedding, compared by its cosine
 *
 * It stays on copies of a buffer, behind tee and queue, and through elements that change the pixels, the
 * format or the size: videoconvert, videoscale, videoflip, videocrop, videobox, also through an encoder and
 * decoder that keep metas (vp8enc, vp8dec). Elements that make a picture of several (compositor, deinterlace)
 * leave it behind, and so do files and the network.
 *
 * What was found in a #GstVideoRegionOfInterestMeta is a parameter `classification` on that meta (`label`,
 * `label_id`, `confidence`, `model_name`). videoscale scales such regions, videoflip and videocrop drop them,
 * and where videoconvert or videoscale change the pixels GStreamer 1.22 drops their parameters: read regions,
 * or draw them with resnetoverlay, before that.
 *
 * In Python (PyGObject; `pipelines/examples/read_labels.py` is a whole program):
 *
 * |[
 * meta = buffer.get_custom_meta("GstResnetClassificationMeta")
 * there, labels = meta.get_structure().get_array("labels")
 * best = labels.get_nth(0) if there and labels.n_values > 0 else None
 * ]|
 *
 * In Rust (the crate `gstreamer` with its feature `v1_20`):
 *
 * |[
 * let meta = gst::meta::CustomMeta::from_buffer(buffer, "GstResnetClassificationMeta").ok()?;
 * let labels = meta.structure().get::<gst::Array>("labels").ok()?;
 * let best = labels.first()?.get::<String>().ok()?;
 * ]|
 *
 * Since: 0.1
 */

G_BEGIN_DECLS

#define GST_RESNET_CLASSIFICATION_META_NAME "GstResnetClassificationMeta"
#define GST_RESNET_CLASSIFICATION_META_VERSION 1u

/**
 * gst_resnet_classification_meta_register:
 *
 * Makes the meta known. The plugin does so when it is loaded; a program without one of its elements that gets
 * frames from another process (unixfdsrc) calls this before the first of them.
 *
 * Returns: whether it is known
 *
 * Since: 0.1
 */
static inline gboolean gst_resnet_classification_meta_register(void) {
  static const gchar* no_tags[] = {NULL};

  return gst_meta_get_info(GST_RESNET_CLASSIFICATION_META_NAME) != NULL ||
         gst_meta_register_custom(GST_RESNET_CLASSIFICATION_META_NAME, no_tags, NULL, NULL, NULL) != NULL;
}

/**
 * gst_buffer_iterate_resnet_classification:
 * @buffer: a buffer
 * @state: (inout): %NULL before the first call
 *
 * Where several elements classified a frame it has a result of each, in the order in which they did.
 *
 * Returns: (transfer none) (nullable): the next one, with the fields listed above, or %NULL after the last
 *
 * Since: 0.1
 */
static inline const GstStructure* gst_buffer_iterate_resnet_classification(GstBuffer* buffer,
                                                                           gpointer* state) {
  const GstMetaInfo* info = gst_meta_get_info(GST_RESNET_CLASSIFICATION_META_NAME);
  GstMeta* meta;

  if (buffer == NULL || info == NULL) return NULL;
  meta = gst_buffer_iterate_meta_filtered(buffer, state, info->api);
  return meta ? gst_custom_meta_get_structure((GstCustomMeta*)meta) : NULL;
}

/**
 * gst_buffer_get_resnet_classification:
 * @buffer: a buffer
 *
 * Returns: (transfer none) (nullable): the first element's result, or %NULL when the buffer was not
 * classified.
 *
 * Since: 0.1
 */
static inline const GstStructure* gst_buffer_get_resnet_classification(GstBuffer* buffer) {
  gpointer state = NULL;

  return gst_buffer_iterate_resnet_classification(buffer, &state);
}

/**
 * gst_resnet_classification_get_size:
 * @classification: from gst_buffer_get_resnet_classification()
 *
 * Returns: the number of classes in it; 0: none of those that the model knows
 *
 * Since: 0.1
 */
static inline guint gst_resnet_classification_get_size(const GstStructure* classification) {
  const GValue* labels = gst_structure_get_value(classification, "labels");

  return labels && GST_VALUE_HOLDS_ARRAY(labels) ? gst_value_array_get_size(labels) : 0;
}

/**
 * gst_resnet_classification_get_class:
 * @classification: from gst_buffer_get_resnet_classification()
 * @index: 0 is the best; less than gst_resnet_classification_get_size()
 * @id: (out) (optional): the class's index in the model
 * @label: (out) (optional) (transfer none): its name, UTF-8
 * @probability: (out) (optional): 0…1
 *
 * Returns: whether there is such a class
 *
 * Since: 0.1
 */
static inline gboolean gst_resnet_classification_get_class(const GstStructure* classification, guint index,
                                                           gint* id, const gchar** label,
                                                           gdouble* probability) {
  const GValue* ids = gst_structure_get_value(classification, "label-ids");
  const GValue* labels = gst_structure_get_value(classification, "labels");
  const GValue* probabilities = gst_structure_get_value(classification, "probabilities");

  if (!ids || !labels || !probabilities || !GST_VALUE_HOLDS_ARRAY(ids) || !GST_VALUE_HOLDS_ARRAY(labels) ||
      !GST_VALUE_HOLDS_ARRAY(probabilities) || index >= gst_value_array_get_size(ids) ||
      index >= gst_value_array_get_size(labels) || index >= gst_value_array_get_size(probabilities))
    return FALSE;
  ids = gst_value_array_get_value(ids, index);
  labels = gst_value_array_get_value(labels, index);
  probabilities = gst_value_array_get_value(probabilities, index);
  if (!G_VALUE_HOLDS_INT(ids) || !G_VALUE_HOLDS_STRING(labels) || !G_VALUE_HOLDS_DOUBLE(probabilities))
    return FALSE;
  if (id) *id = g_value_get_int(ids);
  if (label) *label = g_value_get_string(labels);
  if (probability) *probability = g_value_get_double(probabilities);
  return TRUE;
}

/**
 * gst_resnet_classification_get_features:
 * @classification: from gst_buffer_get_resnet_classification()
 *
 * Returns: (transfer none) (nullable): the features as #gfloat values, or %NULL when it has none; a reference
 * of one's own keeps them longer than the frame
 *
 * Since: 0.1
 */
static inline GstBuffer* gst_resnet_classification_get_features(const GstStructure* classification) {
  const GValue* features = gst_structure_get_value(classification, "features");

  return features && GST_VALUE_HOLDS_BUFFER(features) ? gst_value_get_buffer(features) : NULL;
}

G_END_DECLS

#endif
