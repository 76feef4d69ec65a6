#include "plugin/classify_model.h"

#include <algorithm>
#include <future>
#include <utility>

#include "model/file_io.h"
#include "plugin/engine_module.h"
#include "plugin/errors.h"
#include "plugin/guarded.h"

#define GST_CAT_DEFAULT resnet_classify_debug

namespace resnet {

namespace {

constexpr GstClockTime shortest_timeout = 100 * GST_USECOND;

using Bytes = std::shared_ptr<const FileBytes>;

// The model file, read by a thread of its own while LibTorch is loaded, which takes another as long. What is
// wrong with the file, the engine says when it has to read it.
std::future<Bytes> read_ahead(const std::string& model) {
  return std::async(std::launch::async, [model]() -> Bytes {
    try {
      return std::make_shared<const FileBytes>(read_file(model, max_model_bytes, 1));
    } catch (const std::exception&) {
      return nullptr;
    }
  });
}

// @param failure the message that a failure is: an error or a warning
// @return nullptr, with that message on the bus, when it cannot be opened
std::shared_ptr<OpenModel> load(GstElement* element, const ClassifySettings& s, EngineListener& listener,
                                GstMessageType failure) {
  if (s.model.empty()) {
    post_message(element, failure, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                 "No model file. Set the property model to a .pth or .safetensors file.",
                 "property model is not set");
    return nullptr;
  }
  std::future<Bytes> bytes;
  if (!engine_module_is_loaded()) bytes = read_ahead(s.model);
  std::string why;
  const EngineModule* module = load_engine_module(why);
  if (!module) {
    post_message(element, failure, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
                 "LibTorch could not be loaded. Install LibTorch 2.6 or newer (pip install torch) where the "
                 "plugin was built to find it.",
                 why);
    return nullptr;
  }
  auto model = std::make_shared<OpenModel>();
  model->path = s.model;
  EngineError error;
  model->engine = module->open({.model = s.model,
                                .device = s.device,
                                .precision = s.precision,
                                .threads = static_cast<int>(s.threads),
                                .instance = s.model_instance_id,
                                .bytes = bytes.valid() ? bytes.get() : nullptr},
                               error);
  if (model->engine) {
    const StreamOptions options{.labels_file = s.labels_file,
                                .batch_size = static_cast<int>(s.batch_size),
                                .activation = s.activation,
                                .classes = s.output.classes,
                                .features = s.output.features};
    model->stream = model->engine->open_stream(options, listener, error);
  }
  if (!model->stream) {
    post_engine_message(element, failure, error);
    return nullptr;
  }
  for (const std::string& warning : model->engine->warnings()) {
    post_message(element, GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, warning + ".",
                 "while opening " + s.model);
  }
  return model;
}

// Runs the network once, so that the first frame need not wait for one-time work.
// @return whether it ran; if not, the message is on the bus
bool warm_up(GstElement* element, OpenModel& model, GstMessageType failure) {
  EngineError error;
  model.batch_time = model.engine->warm_up(error);
  if (error) post_engine_message(element, failure, error);
  return !error;
}

ClassifySettings settings_to_open(ClassifyState& s) {
  const std::lock_guard lock(s.settings_mutex);
  s.settings_opened = true;
  return s.settings;
}

// For a model that may not get to serve: the next start opens what is set then.
ClassifySettings settings_to_try(ClassifyState& s) {
  const std::lock_guard lock(s.settings_mutex);
  return s.settings;
}

bool settings_are_opened(ClassifyState& s) {
  const std::lock_guard lock(s.settings_mutex);
  return s.settings_opened;
}

// The old one goes without the lock.
void set_model(ClassifyState& s, std::shared_ptr<OpenModel> model) {
  const std::lock_guard lock(s.model_mutex);
  std::swap(s.model, model);
}

// What a failed reload leaves in the property is what serves.
void restore_model_path(GstElement* element, ClassifyState& s, const std::string& wanted) {
  const std::shared_ptr<OpenModel> serving = s.current_model();
  {
    const std::lock_guard lock(s.settings_mutex);
    if (!serving || s.settings.model != wanted) return;
    s.settings.model = serving->path;
  }
  g_object_notify(G_OBJECT(element), "model");
}

// In a thread of its own: loads the model that was set while frames run. The old one serves meanwhile.
void reload(GstElement* element, ClassifyState& s, guint64 serial) {
  const ClassifySettings settings = settings_to_try(s);
  std::shared_ptr<OpenModel> model = load(element, settings, s.queue, GST_MESSAGE_WARNING);
  if (!model || !warm_up(element, *model, GST_MESSAGE_WARNING)) {
    restore_model_path(element, s, settings.model);
    return;
  }
  GST_INFO_OBJECT(element, "reloaded %s: %s", settings.model.c_str(), model->engine->description().c_str());
  const std::lock_guard lock(s.model_mutex);
  if (s.takes_models && serial == s.model_serial) std::swap(s.next_model, model);
}

struct Reload {
  ClassifyState& state;
  guint64 serial;
};

}  // namespace

bool open_model(GstElement* element, ClassifyState& s) {
  const ClassifySettings settings = settings_to_open(s);
  const std::shared_ptr<OpenModel> model = load(element, settings, s.queue, GST_MESSAGE_ERROR);
  if (!model) return false;
  if (settings.max_in_flight < settings.batch_size) {
    GST_ELEMENT_WARNING(element, RESOURCE, SETTINGS,
                        ("max-in-flight=%u is below batch-size=%u and was raised to it.",
                         settings.max_in_flight, settings.batch_size),
                        ("a batch could never fill"));
  }
  if (settings.batch_timeout > 0 && settings.batch_timeout < shortest_timeout) {
    GST_ELEMENT_WARNING(element, RESOURCE, SETTINGS,
                        ("batch-timeout=%" G_GUINT64_FORMAT " is %" G_GUINT64_FORMAT
                         " nanoseconds, too short for a frame to come in; 40 ms are 40000000.",
                         settings.batch_timeout, settings.batch_timeout),
                        ("other elements count in milliseconds or microseconds"));
  }
  s.batch_size = settings.batch_size;
  s.max_in_flight = std::max(settings.max_in_flight, settings.batch_size);
  s.batch_timeout = settings.batch_timeout;
  GST_INFO_OBJECT(element, "opened %s: %s", settings.model.c_str(), model->engine->description().c_str());
  set_model(s, model);
  return true;
}

bool prepare_model(GstElement* element, ClassifyState& s) {
  if (!s.current_model() || !settings_are_opened(s)) {
    set_model(s, nullptr);
    if (!open_model(element, s)) return false;
  }
  const std::shared_ptr<OpenModel> model = s.current_model();
  if (!warm_up(element, *model, GST_MESSAGE_ERROR)) return false;
  s.batch_time = model->batch_time;
  s.seen_latency = 0;
  s.statistics.reset();
  s.output.reset();
  s.live = false;
  const std::lock_guard lock(s.model_mutex);
  s.takes_models = true;
  return true;
}

void reload_model(GstElement* element, ClassifyState& s) {
  guint64 serial = 0;
  {
    const std::lock_guard lock(s.model_mutex);
    if (!s.takes_models) return;  // opened by the next change of state
    serial = ++s.model_serial;
  }
  gst_element_call_async(
      element,
      [](GstElement* called, gpointer data) {
        const auto& request = *static_cast<Reload*>(data);
        guarded(called, "The model could not be opened",
                [&] { reload(called, request.state, request.serial); });
      },
      new Reload{s, serial}, [](gpointer data) { delete static_cast<Reload*>(data); });
}

void stop_reloading(ClassifyState& s) {
  std::shared_ptr<OpenModel> newest;
  const std::lock_guard lock(s.model_mutex);
  s.takes_models = false;
  newest = std::exchange(s.next_model, nullptr);
  if (newest) std::swap(s.model, newest);
}

void close_model(ClassifyState& s) { set_model(s, nullptr); }

}  // namespace resnet
