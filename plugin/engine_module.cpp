#include "plugin/engine_module.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include <dlfcn.h>
#include <gmodule.h>

namespace resnet {

namespace {

constexpr const char* file_name = "libresnet-engine.so";

std::atomic<const EngineModule*> loaded = nullptr;

// A function's address tells which file this code was loaded from.
std::filesystem::path own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&load_engine_module), &info) == 0 || !info.dli_fname) return {};
  std::error_code error;
  const std::filesystem::path file = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::filesystem::path(info.dli_fname).parent_path() : file.parent_path();
}

std::filesystem::path find_module() {
  if (const char* path = std::getenv("RESNET_ENGINE_MODULE")) return path;
  const std::filesystem::path parent = own_folder().parent_path();
  std::error_code error;
  const std::filesystem::path built = parent / "model" / file_name;
  return std::filesystem::exists(built, error) ? built : parent / "gst-resnet" / file_name;
}

}  // namespace

bool engine_module_is_loaded() { return loaded != nullptr; }

const EngineModule* load_engine_module(std::string& why) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (loaded) return loaded;
  const std::string path = find_module().string();
  GModule* module =
      g_module_open(path.c_str(), static_cast<GModuleFlags>(G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL));
  if (!module) {
    why = g_module_error();
    return nullptr;
  }
  void* symbol = nullptr;
  if (!g_module_symbol(module, "resnet_engine_module", &symbol) || !symbol) {
    why = path + " is not this plugin's engine";
  } else if (static_cast<const EngineModule*>(symbol)->version != engine_module_version) {
    why = path + " is of another version than the plugin";
  } else {
    g_module_make_resident(module);
    return loaded = static_cast<const EngineModule*>(symbol);
  }
  g_module_close(module);
  return nullptr;
}

}  // namespace resnet
