/* The installed header in plain C11. */
#include "plugin/gstresnetmeta.h"

const gchar* best_label_from_c(GstBuffer* buffer, gdouble* probability);

const gchar* best_label_from_c(GstBuffer* buffer, gdouble* probability) {
  const GstStructure* result = gst_buffer_get_resnet_classification(buffer);
  const gchar* label = NULL;

  if (result == NULL || !gst_resnet_classification_get_class(result, 0, NULL, &label, probability))
    return NULL;
  return label;
}
