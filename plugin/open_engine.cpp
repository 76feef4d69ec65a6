#include "plugin/open_engine.h"

#include "plugin/engine_module.h"
#include "plugin/errors.h"

namespace resnet {

std::unique_ptr<Engine> open_engine(GstElement* element, const ClassifySettings& s) {
  if (s.model.empty()) {
    GST_ELEMENT_ERROR(element, RESOURCE, NOT_FOUND,
                      ("No model file. Set the property model to a .pth or .safetensors file."),
                      ("property model is not set"));
    return nullptr;
  }
  std::string why;
  const EngineModule* module = load_engine_module(why);
  if (!module) {
    GST_ELEMENT_ERROR(element, LIBRARY, INIT,
                      ("LibTorch could not be loaded. Install LibTorch 2.6 or newer (pip install torch) "
                       "where the plugin was built to find it."),
                      ("%s", why.c_str()));
    return nullptr;
  }
  EngineError error;
  std::unique_ptr<Engine> engine = module->open({.model = s.model,
                                                 .labels_file = s.labels_file,
                                                 .device = s.device,
                                                 .precision = s.precision,
                                                 .threads = static_cast<int>(s.threads),
                                                 .batch_size = static_cast<int>(s.batch_size),
                                                 .wait_for_company = s.batch_timeout > 0},
                                                error);
  if (!engine) {
    post_engine_error(element, error);
    return nullptr;
  }
  for (const std::string& warning : engine->warnings()) {
    GST_ELEMENT_WARNING(element, RESOURCE, SETTINGS, ("%s.", warning.c_str()),
                        ("while opening %s", s.model.c_str()));
  }
  return engine;
}

}  // namespace resnet
