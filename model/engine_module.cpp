// The private module's border: opens engines, and shares those that are open.
#include <filesystem>
#include <map>
#include <mutex>

#include "model/batching_engine.h"
#include "model/current_error.h"
#include "model/model_file.h"

namespace resnet {

namespace {

/// What two elements must have in common to share an engine: the same bytes on disk, run in the same way.
struct Key {
  FileVersion file;
  std::string executor;  // as asked for, or as resolved: "cpu bf16"
  int threads = 0;
  std::string instance;

  auto operator<=>(const Key&) const = default;
};

std::string precision_name(Precision precision) { return std::to_string(static_cast<int>(precision)); }

/// A file that cannot be looked at gets a key of zeros: opening it says what is wrong.
Key make_key(const EngineOptions& options) {
  Key key;
  key.file = version_of(options.model);
  key.executor = options.device + "/" + precision_name(options.precision);
  key.threads = options.threads;
  key.instance = options.instance;
  return key;
}

std::shared_ptr<BatchingEngine> load(const EngineOptions& options, const FileVersion& version) {
  const bool read = options.bytes && options.bytes->version == version;
  ExecutorOptions executor_options;
  executor_options.device = options.device;
  executor_options.precision = options.precision;
  executor_options.threads = options.threads;
  executor_options.release_weights = true;
  std::unique_ptr<Executor> executor;
  const auto use = [&](const Model& model, const AwaitTensor& await) {
    executor_options.await_weight = await;
    executor = make_executor(model.network, with_model(executor_options, model.info));
  };
  Model model = load_model(options.model, {}, OwnClasses::may_misfit, read ? options.bytes : nullptr, use);
  const int num_classes = model.num_classes();
  return std::make_shared<BatchingEngine>(std::move(executor), std::move(model.info), num_classes,
                                          std::filesystem::path(options.model).filename().string(),
                                          std::move(model.warnings));
}

/// The engines that are open, under what was asked for and under what that turned out to be.
class Registry {
 public:
  std::shared_ptr<Engine> open(const EngineOptions& options) {
    const std::lock_guard lock(mutex_);  // held while a model loads: who wants the same waits for it
    std::erase_if(engines_, [](const auto& entry) { return entry.second.expired(); });
    Key key = make_key(options);
    if (std::shared_ptr<BatchingEngine> engine = find(key)) return engine;
    std::shared_ptr<BatchingEngine> engine = load(options, key.file);
    const Key asked = key;
    key.executor = engine->description();
    if (std::shared_ptr<BatchingEngine> same = find(key)) engine = same;  // "auto" was another's "bf16"
    engines_[key] = engine;
    engines_[asked] = engine;
    return engine;
  }

 private:
  std::shared_ptr<BatchingEngine> find(const Key& key) const {
    const auto found = engines_.find(key);
    return found == engines_.end() ? nullptr : found->second.lock();
  }

  std::mutex mutex_;
  std::map<Key, std::weak_ptr<BatchingEngine>> engines_;  // guarded by mutex_
};

std::shared_ptr<Engine> open_engine(const EngineOptions& options, EngineError& error) noexcept {
  try {
    // Never destroyed: elements may outlive static objects.
    static Registry& registry = *new Registry;
    return registry.open(options);
  } catch (...) {
    error = current_error();
    return nullptr;
  }
}

}  // namespace

}  // namespace resnet

extern "C" __attribute__((visibility("default"))) const resnet::EngineModule resnet_engine_module;
const resnet::EngineModule resnet_engine_module = {resnet::engine_module_version, resnet::open_engine};
