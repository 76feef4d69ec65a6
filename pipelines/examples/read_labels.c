/*
 * Prints the classes of each frame that reaches the element named "sink":
 *
 *   read-labels-c 'filesrc location=flowers.webm ! decodebin ! resnetclassify model=flowers.pth ! fakesink
 * name=sink'
 *
 * Outside this project: cc read_labels.c $(pkg-config --cflags --libs gst-resnet-meta)
 */
#include <gst/gst.h>
#include <gstresnetmeta.h>
#include <locale.h>

static GstPadProbeReturn print_labels(GstPad* pad, GstPadProbeInfo* info, gpointer user_data) {
  GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const GstStructure* result = gst_buffer_get_resnet_classification(buffer);
  guint i, n;

  (void)pad;
  (void)user_data;
  g_print("%" GST_TIME_FORMAT, GST_TIME_ARGS(GST_BUFFER_PTS(buffer)));
  if (result == NULL) {
    g_print(" not classified\n");
    return GST_PAD_PROBE_OK;
  }
  n = gst_resnet_classification_get_size(result);
  if (n == 0) g_print(" none of these");
  for (i = 0; i < n; i++) {
    const gchar* label;
    gdouble probability;

    if (gst_resnet_classification_get_class(result, i, NULL, &label, &probability))
      g_print(" %s %.3f", label, probability);
  }
  g_print("\n");
  return GST_PAD_PROBE_OK;
}

/* Returns whether the pipeline came to its end without an error. */
static gboolean play(GstElement* pipeline) {
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message;
  gboolean ok;

  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  ok = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  if (!ok) {
    GError* error = NULL;

    gst_message_parse_error(message, &error, NULL);
    g_printerr("%s: %s\n", GST_OBJECT_NAME(GST_MESSAGE_SRC(message)), error->message);
    g_error_free(error);
  }
  gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  return ok;
}

int main(int argc, char** argv) {
  GError* error = NULL;
  GstElement *pipeline, *sink;
  GstPad* pad;
  gboolean ok;

  setlocale(LC_ALL, ""); /* g_print() writes in the locale's encoding */
  gst_init(&argc, &argv);
  if (argc != 2) {
    g_printerr("usage: %s 'PIPELINE ! fakesink name=sink'\n", argv[0]);
    return 2;
  }
  pipeline = gst_parse_launch_full(argv[1], NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (pipeline == NULL) {
    g_printerr("%s\n", error->message);
    g_error_free(error);
    return 1;
  }
  /* A description of a single element is that element, not a pipeline. */
  sink = GST_IS_BIN(pipeline) ? gst_bin_get_by_name(GST_BIN(pipeline), "sink") : NULL;
  pad = sink ? gst_element_get_static_pad(sink, "sink") : NULL;
  if (pad == NULL) {
    g_printerr("The pipeline has no element named \"sink\" with a sink pad.\n");
    return 1;
  }
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, print_labels, NULL, NULL);
  gst_object_unref(pad);
  gst_object_unref(sink);
  ok = play(pipeline);
  gst_object_unref(pipeline);
  return ok ? 0 : 1;
}
