// Model files as a user meets them: what loads, what is said about it, and what each bad file is told.
#include <csignal>
#include <cstdlib>
#include <functional>

#include <ATen/ATen.h>
#include <sys/resource.h>

#include "model/executor.h"
#include "model/labels.h"
#include "model/model_file.h"
#include "model/resnet.h"
#include "model/tensor_digest.h"
#include "model/zip_reader.h"
#include "tests/model/checkpoint_fixtures.h"
#include "tests/model/small_network.h"

namespace resnet::testing {
namespace {

constexpr int classes = 5;

/// The message with the name of the test's folder cut out.
std::string message_of(const std::function<void()>& action, ErrorCode code,
                       const std::filesystem::path& folder) {
  std::string message = "no error";
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    message = error.what();
    for (auto at = message.find(folder.string() + "/"); at != std::string::npos;
         at = message.find(folder.string() + "/"))
      message.erase(at, folder.string().size() + 1);
  }
  return message;
}

class ModelFile : public CheckpointTest {
 protected:
  /// The state dict of a small network, to be changed by the test.
  NamedTensors state() const {
    NamedTensors tensors = network_->state_dict();
    for (auto& entry : tensors) entry.second = entry.second.clone();
    return tensors;
  }
  static at::Tensor& tensor(NamedTensors& tensors, const std::string& name) {
    for (auto& entry : tensors) {
      if (entry.first == name) return entry.second;
    }
    throw std::out_of_range(name);
  }
  static void remove(NamedTensors& tensors, const std::string& name) {
    std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
  }
  std::filesystem::path write(const NamedTensors& tensors, const nlohmann::json& info = nullptr,
                              const std::string& name = "m.pth") const {
    write_checkpoint(folder_ / name, tensors, info);
    return folder_ / name;
  }
  void expect_error(const NamedTensors& tensors, ErrorCode code, const std::string& message) const {
    const auto path = write(tensors);
    EXPECT_EQ(message_of([&] { load_model(path); }, code, folder_), message);
  }
  void expect_same_logits(const ResNet& other) const {
    const at::Tensor input = at::linspace(-2, 2, 3 * 32 * 32).reshape({1, 3, 32, 32});
    EXPECT_TRUE(make_reference_executor(other)->run(input).logits.equal(
        make_reference_executor(network_)->run(input).logits));
  }
  void expect_warnings(const Model& model, const std::vector<std::string>& parts) const {
    ASSERT_EQ(model.warnings.size(), parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i)
      EXPECT_NE(model.warnings[i].find(parts[i]), std::string::npos) << model.warnings[i];
  }

  ResNet network_ = make_network(small_basic(), classes);
  const std::vector<std::string> names_{"daisy", "dandelion", "roses", "sunflowers", "郁金香"};
};

TEST_F(ModelFile, UnusedTensorsAreOneWarning) {
  // Published ResNet-34 code declares conv3 and bn3 in every BasicBlock and never calls them.
  network_ = make_network({BlockType::basic, {3, 4, 6, 3}, 8, 1, 64}, classes);
  NamedTensors tensors;
  for (const auto& [name, value] : state()) {
    tensors.emplace_back(name, value);
    if (!name.ends_with(".bn2.num_batches_tracked")) continue;
    const std::string block = name.substr(0, name.find("bn2"));
    tensors.emplace_back(block + "conv3.weight", at::ones({32, 8, 1, 1}));
    tensors.emplace_back(block + "bn3.weight", at::full({32}, std::nan("")));
  }
  const Model model = load_model(write(tensors));
  EXPECT_EQ(model.info.architecture.name(), "ResNet (BasicBlock 3-4-6-3, width 8)");
  expect_warnings(model,
                  {"m.pth': ignored 32 tensors that the network does not use: 'layer1.0.conv3.weight', "
                   "'layer1.0.bn3.weight', 'layer1.1.conv3.weight', 'layer1.1.bn3.weight', …"});
  expect_same_logits(model.network);
}

TEST_F(ModelFile, AHeadBehindDropoutIsTheHead) {
  // nn.Sequential(nn.Dropout(), nn.Linear(…))
  NamedTensors tensors = state();
  for (auto& [name, value] : tensors) {
    if (name.starts_with("fc.")) name.insert(3, "1.");
  }
  const Model model = load_model(write(tensors));
  EXPECT_EQ(model.network->num_classes(), classes);
  expect_same_logits(model.network);
  // Two layers are more than a head has.
  tensors.emplace_back("fc.3.weight", at::ones({5, 5}));
  expect_error(
      tensors, ErrorCode::mismatch,
      "'m.pth' has a head of several layers ('fc.1.weight'), expected one: 'fc.weight' and 'fc.bias'");
}

TEST_F(ModelFile, MissingAndMisshapenTensorsAreNamed) {
  const auto without = [&](const std::string& name) {
    NamedTensors tensors = state();
    remove(tensors, name);
    return tensors;
  };
  const auto with = [&](const std::string& name, at::IntArrayRef shape) {
    NamedTensors tensors = state();
    tensor(tensors, name) = at::ones(shape);
    return tensors;
  };
  expect_error(without("conv1.weight"), ErrorCode::unsupported,
               "'m.pth' is not a supported ResNet: it has no tensor 'conv1.weight'");
  expect_error(without("layer2.0.bn2.running_var"), ErrorCode::mismatch,
               "'m.pth' has no tensor 'layer2.0.bn2.running_var'; a tensor of shape [32] is needed");
  // Not a network of one block less.
  expect_error(without("layer3.1.conv1.weight"), ErrorCode::mismatch,
               "'m.pth' has the tensor 'layer3.1.bn1.weight' but lacks 'layer3.1.conv1.weight'");
  expect_error(without("fc.bias"), ErrorCode::mismatch,
               "'m.pth' has no tensor 'fc.bias'; a tensor of shape [5] is needed");
  expect_error(with("layer1.0.conv2.weight", {16, 16, 3, 1}), ErrorCode::mismatch,
               "'m.pth': tensor 'layer1.0.conv2.weight' has shape [16, 16, 3, 1]; [16, 16, 3, 3] is needed");
  // A small file that claims a network of 150 GB.
  NamedTensors wide = with("conv1.weight", {8192, 3, 7, 7});
  tensor(wide, "fc.weight") = at::ones({classes, 65536});
  expect_error(wide, ErrorCode::mismatch, "'m.pth': tensor 'bn1.weight' has shape [16]; [8192] is needed");
}

TEST_F(ModelFile, WithoutAHeadItGivesFeatures) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : state()) {
    if (!name.starts_with("fc.")) tensors.emplace_back(name, tensor);
  }
  const Model model = load_model(write(tensors));
  EXPECT_EQ(model.network->num_classes(), 0);
  EXPECT_TRUE(model.info.classes.empty());
  const at::Tensor input = at::ones({1, 3, 32, 32});
  const NetworkOutput output = make_reference_executor(model.network)->run(input);
  EXPECT_FALSE(output.logits.defined());
  EXPECT_TRUE(output.features.equal(make_reference_executor(network_)->run(input).features));
}

TEST_F(ModelFile, BadValuesAreNamed) {
  const auto with = [&](const std::string& name, const at::Tensor& value) {
    NamedTensors tensors = state();
    tensor(tensors, name) = value;
    return tensors;
  };
  const auto with_one = [&](const std::string& name, double value, at::ScalarType type) {
    NamedTensors tensors = state();
    at::Tensor& values = tensor(tensors, name);
    values = values.to(type);
    values.flatten()[1] = value;
    return tensors;
  };
  const std::string damaged =
      " holds values that are not finite (NaN or infinity); the weights are damaged or the training that "
      "made "
      "them diverged";
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    expect_error(with_one("layer2.0.conv1.weight", value, at::kFloat), ErrorCode::format,
                 "'m.pth': tensor 'layer2.0.conv1.weight'" + damaged);
  }
  expect_error(with_one("fc.bias", 1e300, at::kDouble), ErrorCode::format,
               "'m.pth': tensor 'fc.bias'" + damaged);
  expect_error(with_one("bn1.running_var", -0.5, at::kFloat), ErrorCode::format,
               "'m.pth': tensor 'bn1.running_var' holds a negative variance; a variance is 0 or more");
  expect_error(with("fc.bias", at::ones({classes}, at::kChar)), ErrorCode::format,
               "'m.pth': tensor 'fc.bias' holds int8 values; floating-point numbers are needed");
}

TEST_F(ModelFile, MissingCountersAreZero) {
  NamedTensors tensors = state();
  tensor(tensors, "bn1.num_batches_tracked") = at::full({1}, 7, at::kInt);
  remove(tensors, "layer1.0.bn1.num_batches_tracked");
  Model model = load_model(write(tensors));
  EXPECT_EQ(model.warnings, std::vector<std::string>{});
  NamedTensors loaded = model.network->state_dict();
  EXPECT_EQ(tensor(loaded, "bn1.num_batches_tracked").item<int>(), 7);
  EXPECT_EQ(tensor(loaded, "layer1.0.bn1.num_batches_tracked").item<int>(), 0);
}

TEST_F(ModelFile, OtherFloatingTypesBecomeFp32) {
  for (const auto type : {at::kHalf, at::kBFloat16, at::kDouble}) {
    NamedTensors tensors = state();
    for (auto& entry : tensors) {
      if (entry.second.is_floating_point()) entry.second = entry.second.to(type);
    }
    for (const char* name : {"m.pth", "m.safetensors"}) {
      NamedTensors loaded = load_model(write(tensors, nullptr, name)).network->state_dict();
      ASSERT_EQ(loaded.size(), tensors.size());
      for (std::size_t i = 0; i < loaded.size(); ++i) {
        if (!tensors[i].second.is_floating_point()) continue;
        EXPECT_EQ(loaded[i].second.scalar_type(), at::kFloat);
        EXPECT_TRUE(loaded[i].second.equal(tensors[i].second.to(at::kFloat))) << loaded[i].first;
      }
    }
  }
}

TEST_F(ModelFile, WrappedAndPrefixedStateDictsLoad) {
  NamedTensors tensors = state();
  for (auto& entry : tensors) entry.first.insert(0, "module._orig_mod.");
  const std::string bytes = read_text(write(tensors));
  // {"epoch": 3, KEY: {"other": None, KEY2: state dict}}, as training scripts nest them.
  const auto text = [](const std::string& value) { return "X" + number(value.size(), 4) + value; };
  for (const std::pair<std::string, std::string> keys :
       {std::pair("model", "state_dict"), std::pair("checkpoint", ""), std::pair("model_ema", "net")}) {
    std::vector<ZipItem> items;
    for (const ZipEntry& entry :
         read_zip({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "")) {
      items.push_back({entry.name, std::string(entry.data.begin(), entry.data.end())});
      if (!entry.name.ends_with("data.pkl")) continue;
      const std::string dict = items.back().data.substr(2, items.back().data.size() - 3);
      const std::string inner =
          keys.second.empty() ? dict : "}" + text("other") + "Ns" + text(keys.second) + dict + "s";
      items.back().data = "\x80\x02}" + text("epoch") + "K\3s" + text(keys.first) + inner + "s.";
    }
    const Model model = load_model(file("wrapped.pth", make_zip(items)));
    EXPECT_EQ(model.warnings, std::vector<std::string>{});
    expect_same_logits(model.network);
  }
}

TEST_F(ModelFile, HeadOfAnotherSizeIsKeptOnlyWhenAsked) {
  const Checkpoint checkpoint = read_checkpoint(write(state()));
  ResNet other = make_network(small_basic(), 3);
  const at::Tensor head = other->fc->weight.clone(), stem = other->conv1->weight.clone();
  EXPECT_EQ(message_of([&] { load_state_dict(other, checkpoint); }, ErrorCode::mismatch, folder_),
            "'m.pth': tensor 'fc.weight' has shape [5, 128]; [3, 128] is needed");
  EXPECT_TRUE(other->conv1->weight.equal(stem)) << "changed before all was checked";

  EXPECT_EQ(load_state_dict(other, checkpoint, HeadPolicy::keep_when_different), std::vector<std::string>{});
  EXPECT_TRUE(other->fc->weight.equal(head));
  EXPECT_TRUE(other->conv1->weight.equal(network_->conv1->weight));

  ResNet same = make_network(small_basic(), classes);
  load_state_dict(same, checkpoint, HeadPolicy::keep_when_different);
  expect_same_logits(same);

  NamedTensors tensors = state();
  remove(tensors, "fc.weight");
  remove(tensors, "fc.bias");
  const Checkpoint headless = read_checkpoint(write(tensors));
  EXPECT_EQ(load_state_dict(other, headless, HeadPolicy::keep_when_different), std::vector<std::string>{});
  EXPECT_TRUE(other->fc->weight.equal(head));
  EXPECT_EQ(message_of([&] { load_state_dict(other, headless); }, ErrorCode::mismatch, folder_),
            "'m.pth' has no tensor 'fc.weight'; a tensor of shape [3, 128] is needed");
}

TEST_F(ModelFile, DescribesItselfInBothFormats) {
  ModelInfo info;
  info.classes = names_;
  info.preprocessing = {
      232, 176, Fit::stretch, Interpolation::bicubic, {0.1f, 0.2f, 0.3f}, {1.0f, 0.5f, 0.25f}};
  info.metrics = {{"val_accuracy", 0.91}, {"epoch", 12}};
  info.threshold = 0.25;
  info.digest = "sha256:of something else";
  for (const char* name : {"m.pth", "m.safetensors"}) {
    save_model(folder_ / name, network_, info);
    const Model model = load_model(folder_ / name);
    EXPECT_EQ(model.warnings, std::vector<std::string>{});
    EXPECT_EQ(model.info.architecture, small_basic());
    EXPECT_EQ(model.info.classes, names_);
    EXPECT_EQ(model.info.preprocessing, info.preprocessing);
    EXPECT_EQ(model.info.metrics, info.metrics);
    EXPECT_EQ(model.info.threshold, info.threshold);
    EXPECT_EQ(model.info.digest, tensor_digest(network_->state_dict()));
    EXPECT_FALSE(model.network->is_training());
    expect_same_logits(model.network);
  }
}

// As Hugging Face's repositories have it.
TEST_F(ModelFile, TimmsConfigDescribesWeightsThatSayNothing) {
  const std::filesystem::path plain = write(state(), nullptr, "model.safetensors");
  const auto load = [&](const std::string& changes, const std::filesystem::path& path) {
    nlohmann::json config = nlohmann::json::parse(R"({
      "architecture": "resnet10t", "num_classes": 5, "label_names": ["n0", "n1", "n2", "n3", "n4"],
      "label_descriptions": {"n1": "dandelion", "n7": "none"},
      "pretrained_cfg": {"input_size": [3, 224, 224], "crop_pct": 0.95, "crop_mode": "center",
        "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 0.5], "license": "mit"}})");
    config.merge_patch(nlohmann::json::parse(changes));
    write_text(folder_ / "config.json", config.dump());
    return load_model(path);
  };
  const std::array<float, 3> mean{0.5F, 0.5F, 0.5F}, std{0.25F, 0.5F, 0.5F};
  Model model = load("{}", plain);
  EXPECT_EQ(model.warnings, std::vector<std::string>{});
  EXPECT_EQ(model.info.classes, (std::vector<std::string>{"n0", "dandelion", "n2", "n3", "n4"}));
  EXPECT_EQ(model.info.preprocessing,
            (Preprocessing{235, 224, Fit::crop, Interpolation::bicubic, mean, std}));
  model =
      load(R"({"label_names": null, "pretrained_cfg": {"crop_mode": "squash", "crop_pct": null, "mean": null,
                   "interpolation": "bilinear"}})",
           plain);
  EXPECT_EQ(model.info.classes, std::vector<std::string>{});
  EXPECT_EQ(model.info.preprocessing,
            (Preprocessing{256, 224, Fit::stretch, Interpolation::bilinear, Preprocessing().mean, std}));

  // What is not of these weights, or cannot be had, is said and changes nothing.
  const auto expect_ignored = [&](const std::string& changes, const std::string& why) {
    const Model ignoring = load(changes, plain);
    ASSERT_EQ(ignoring.warnings.size(), 1U) << changes;
    EXPECT_NE(ignoring.warnings[0].find(why), std::string::npos) << ignoring.warnings[0];
    EXPECT_EQ(ignoring.info.preprocessing, Preprocessing());
    EXPECT_EQ(ignoring.info.classes, std::vector<std::string>{});
  };
  expect_ignored(R"({"num_classes": 7})", "is of 7 classes, the head has 5; it is ignored");
  expect_ignored(R"({"label_names": ["a"]})", "names 1 classes and the network's head has 5");
  expect_ignored(R"({"label_names": {"1": "a"}})", "\"label_names\"");
  expect_ignored(R"({"pretrained_cfg": {"crop_mode": "border"}})", "\"crop_mode\"");
  expect_ignored(R"({"pretrained_cfg": {"crop_pct": 1.1}})", "\"crop_pct\"");
  expect_ignored(R"({"pretrained_cfg": {"crop_pct": 0.0001}})", "\"crop_pct\"");
  expect_ignored(R"({"pretrained_cfg": {"input_size": [1, 28, 28]}})", "\"input_size\"");
  expect_ignored(R"({"pretrained_cfg": {"interpolation": "lanczos"}})", "interpolation");
  // Another program's says nothing of timm.
  EXPECT_EQ(load(R"({"pretrained_cfg": null})", plain).warnings, std::vector<std::string>{});
  // What the file says of itself is right.
  ModelInfo info;
  info.classes = names_;
  save_model(folder_ / "own.safetensors", network_, info);
  EXPECT_EQ(load("{}", folder_ / "own.safetensors").info.preprocessing, Preprocessing());
}

TEST_F(ModelFile, ATimmConfigOfAnotherNetworkIsIgnored) {
  const std::filesystem::path path = folder_ / "model.safetensors";
  save_model(path, make_resnet(find_architecture("resnet18"), 5), {});
  write_safetensors(path, read_checkpoint(path).tensors, nullptr);
  write_text(folder_ / "config.json", R"({"architecture": "resnetblur18", "pretrained_cfg": {}})");
  const Model model = load_model(path);
  ASSERT_EQ(model.warnings.size(), 1U);
  EXPECT_NE(model.warnings[0].find("'resnetblur18', the tensors are those of a resnet18"), std::string::npos);
}

TEST_F(ModelFile, ItsDescriptionChangesAndItsTensorsDoNot) {
  ModelInfo info;
  info.classes = names_;
  info.metrics = {{"val_accuracy", 0.91}};
  save_model(folder_ / "m.pth", network_, info);
  save_model(folder_ / "m.safetensors", network_, info);
  std::filesystem::copy(folder_ / "m.safetensors", folder_ / "n.pth");  // a name may lie
  for (const char* name : {"m.pth", "m.safetensors", "n.pth"}) {
    const Checkpoint before = read_checkpoint(folder_ / name);
    ModelInfo changed = read_model_info(folder_ / name);
    changed.temperature = 1.5;
    changed.threshold = 0.25;
    change_model_info(folder_ / name, changed);
    const Checkpoint after = read_checkpoint(folder_ / name);
    EXPECT_EQ(after.format, before.format);
    ASSERT_EQ(after.tensors.size(), before.tensors.size());
    for (std::size_t i = 0; i < after.tensors.size(); ++i) {
      EXPECT_EQ(after.tensors[i].first, before.tensors[i].first);
      EXPECT_EQ(after.tensors[i].second.scalar_type(), before.tensors[i].second.scalar_type());
      EXPECT_TRUE(after.tensors[i].second.equal(before.tensors[i].second)) << after.tensors[i].first;
    }
    nlohmann::json expected = before.info;
    expected["temperature"] = 1.5;
    expected["threshold"] = 0.25;
    EXPECT_EQ(after.info, expected);
  }
}

TEST_F(ModelFile, ADescriptionIsOnlyChangedWhereNothingElseIsLost) {
  const auto foreign = write(state());
  const std::string bytes = read_text(foreign);
  const std::string message =
      "'m.pth' does not describe itself, and what else it may hold is not to be lost; make a model file of "
      "it with 'resnet convert'";
  EXPECT_EQ(message_of([&] { read_model_info(foreign); }, ErrorCode::unsupported, folder_), message);
  EXPECT_EQ(message_of([&] { change_model_info(foreign, {}); }, ErrorCode::unsupported, folder_), message);
  EXPECT_EQ(read_text(foreign), bytes);

  const std::filesystem::path own = folder_ / "own.pth";
  save_model(own, network_, {});
  const ModelInfo info = read_model_info(own);
  NamedTensors others = state();
  tensor(others, "fc.bias")[0] += 1;
  write(others, to_json(ModelInfo{}), "own.pth");
  EXPECT_EQ(message_of([&] { change_model_info(own, info); }, ErrorCode::mismatch, folder_),
            "'own.pth' has other weights than before; somebody wrote it in the meantime");
}

TEST_F(ModelFile, ForeignFilesTakeTheDefaults) {
  const Model model = load_model(write(state()));
  EXPECT_EQ(model.info.classes, std::vector<std::string>{});
  EXPECT_EQ(model.info.preprocessing, Preprocessing{});
  EXPECT_FALSE(model.info.threshold);
  EXPECT_EQ(model.info.digest, tensor_digest(state()));
}

TEST_F(ModelFile, WeightsThatDoNotHaveTheStatedDigestAreRefused) {
  save_model(folder_ / "m.safetensors", network_, {});
  std::string bytes = read_text(folder_ / "m.safetensors");
  bytes[bytes.size() - 4] ^= 1;  // the lowest bit of a weight
  file("m.safetensors", bytes);
  const std::string message =
      message_of([&] { load_model(folder_ / "m.safetensors"); }, ErrorCode::format, folder_);
  EXPECT_TRUE(
      message.starts_with("'m.safetensors' is damaged, or its weights were changed and its description was "
                          "not: they have the digest sha256:"))
      << message;
  EXPECT_TRUE(message.ends_with(", the description states '" + tensor_digest(network_->state_dict()) + "'"))
      << message;
}

TEST_F(ModelFile, ADamagedFileIsSaidToBeThatWhateverComesOfIt) {
  save_model(folder_ / "m.safetensors", network_, {});
  std::string bytes = read_text(folder_ / "m.safetensors");
  bytes[bytes.size() - 4] ^= 1;
  const auto path = file("m.safetensors", bytes);
  const auto fail = [](const Model&, const AwaitTensor&) { throw Error(ErrorCode::device, "out of memory"); };
  EXPECT_TRUE(message_of([&] { load_model(path, {}, OwnClasses::must_fit, nullptr, fail); },
                         ErrorCode::format, folder_)
                  .starts_with("'m.safetensors' is damaged"));
}

TEST_F(ModelFile, AWeightMayBeChangedOnceItIsInTheDigest) {
  const auto path = write(state());
  const auto change = [](const Model& model, const AwaitTensor& await) {
    await("no such tensor");
    ResNet network = model.network;
    for (auto& entry : network->state_dict()) {
      await(entry.first);
      entry.second.zero_();
    }
  };
  EXPECT_EQ(load_model(path, {}, OwnClasses::must_fit, nullptr, change).info.digest, tensor_digest(state()));
}

TEST_F(ModelFile, BytesThatWereReadBeforeServeInsteadOfTheFile) {
  const auto path = write(state());
  const auto bytes = std::make_shared<const FileBytes>(read_file(path, max_model_bytes, 1));
  EXPECT_EQ(bytes->version, version_of(path));
  NamedTensors others = state();
  tensor(others, "fc.bias")[0] += 1;
  write(others);
  EXPECT_NE(bytes->version, version_of(path));
  EXPECT_EQ(load_model(path, {}, OwnClasses::must_fit, bytes).info.digest, tensor_digest(state()));
  EXPECT_EQ(load_model(path).info.digest, tensor_digest(others));
}

TEST_F(ModelFile, ClassesComeFromTheLabelsFileThenTheModelThenBesideIt) {
  const std::vector<std::string> others{"a", "b", "c", "d", "e"}, few{"a", "b", "c"};
  const auto path = write(state());
  write_labels(folder_ / "class_indices.json", names_);
  EXPECT_EQ(load_model(path).info.classes, names_);
  write_labels(folder_ / "others.json", others);
  EXPECT_EQ(load_model(path, folder_ / "others.json").info.classes, others);

  write(state(), {{"classes", others}});
  Model model = load_model(path);
  EXPECT_EQ(model.info.classes, others);
  expect_warnings(model, {"class_indices.json' differs from the classes that '"});
  write_labels(folder_ / "class_indices.json", others);
  expect_warnings(load_model(path), {});
  EXPECT_EQ(load_model(path, folder_ / "others.json").info.classes, others);

  write(state(), {{"classes", few}});
  EXPECT_EQ(message_of([&] { load_model(path); }, ErrorCode::mismatch, folder_),
            "'m.pth' names 3 classes and the network's head has 5; give a labels file that fits");
  EXPECT_EQ(load_model(path, folder_ / "others.json").info.classes, others);
}

TEST_F(ModelFile, LabelsThatDoNotFitAreAnErrorWhenGivenAndAWarningBeside) {
  const auto path = write(state());
  write_labels(folder_ / "few.json", {"a", "b", "c"});
  EXPECT_EQ(message_of([&] { load_model(path, folder_ / "few.json"); }, ErrorCode::mismatch, folder_),
            "'few.json' names 3 classes and the network's head has 5; give a labels file that fits");
  EXPECT_EQ(message_of([&] { load_model(path, folder_ / "none.json"); }, ErrorCode::not_found, folder_),
            "'none.json' does not exist");
  write_labels(folder_ / "class_indices.json", {"a", "b", "c"});
  Model model = load_model(path);
  EXPECT_EQ(model.info.classes, std::vector<std::string>{});
  expect_warnings(
      model, {"names 3 classes and the network's head has 5; give a labels file that fits; it is ignored"});
  file("class_indices.json", "{");
  expect_warnings(load_model(path), {"class_indices.json' is no JSON: "});
}

TEST_F(ModelFile, TheEndingOfANameMattersOnlyForWriting) {
  for (const char* name : {"m.PTH", "m.pt", "m.th", "m.bin", "m"}) {
    save_model(folder_ / name, network_, {});
    EXPECT_EQ(read_checkpoint(folder_ / name).format, CheckpointFormat::torch_zip) << name;
    expect_same_logits(load_model(folder_ / name).network);
  }
  save_model(folder_ / "m.SafeTensors", network_, {});
  EXPECT_EQ(read_checkpoint(folder_ / "m.SafeTensors").format, CheckpointFormat::safetensors);
  std::filesystem::rename(folder_ / "m.SafeTensors", folder_ / "n.pth");
  expect_same_logits(load_model(folder_ / "n.pth").network);
}

TEST_F(ModelFile, AWriteThatFailsMidwayLeavesTheOldFile) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  for (const std::string name : {"m.pth", "m.safetensors"}) {
    file(name, "old");
    const rlimit small{100'000, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const std::string message =
        message_of([&] { save_model(folder_ / name, network_, {}); }, ErrorCode::write, folder_);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(message, "cannot write '" + name + "': File too large");
    EXPECT_EQ(read_text(folder_ / name), "old");
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2)
      << "a temporary file was left";
}

TEST_F(ModelFile, RelativesOfTheFamilyAreRefusedByWhatTheyHave) {
  const auto expect = [&](const std::string& name, const std::vector<std::int64_t>& shape,
                          const std::string& part) {
    NamedTensors tensors = state();
    remove(tensors, name);
    tensors.emplace_back(name, at::ones(shape));
    const std::string message =
        message_of([&] { load_model(write(tensors)); }, ErrorCode::unsupported, folder_);
    EXPECT_TRUE(message.starts_with("'m.pth' is not a supported ResNet: ")) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("'" + name + "'"), std::string::npos) << message;
  };
  expect("conv1.0.weight", {8, 3, 3, 3}, "a deep stem of three 3×3 convolutions");
  expect("layer2.0.downsample.1.weight", {32, 16, 1, 1}, "shortcuts average");
  expect("layer1.0.se.fc1.weight", {4, 16, 1, 1}, "squeeze-and-excitation");
  expect("layer1.0.se.conv.weight", {1, 1, 3}, "attention");
  expect("layer1.0.se_module.fc1.weight", {4, 16, 1, 1}, "squeeze-and-excitation");
  expect("maxpool.0.weight", {16, 16, 3, 3}, "in place of the max pool");
  expect("layer2.0.aa.filt", {16, 1, 3, 3}, "anti-aliasing");
  expect("layer3.1.convs.0.weight", {16, 16, 3, 3}, "Res2Net");
  expect("layer1.0.conv2.fc1.weight", {16, 16, 1, 1}, "ResNeSt");
  expect("layer1.0.conv2.paths.0.conv.weight", {16, 16, 3, 3}, "SKNet");
  expect("stem.conv.weight", {16, 3, 7, 7}, "another family");
  expect("resnet.embedder.embedder.convolution.weight", {16, 3, 7, 7}, "Hugging Face's transformers");
}

// Files of others, whose tensors are read and make no network.
TEST_F(ModelFile, RealFilesOfOtherNetworksAreRefusedByWhatTheyHave) {
  const char* shared = std::getenv("RESNET_SHARED");
  const auto checkpoints = std::filesystem::path(shared != nullptr ? shared : "") / "checkpoints";
  if (!std::filesystem::exists(checkpoints)) GTEST_SKIP() << "RESNET_SHARED names no folder with checkpoints";
  const std::string stem = ", expected [width, 3, 7, 7] with a width of at most 8192";
  for (const auto& [name, reason] : std::vector<std::pair<std::string, std::string>>{
           {"RFB-640-masked_face-v2.pth", "it has no tensor 'conv1.weight', but 'base_net.0.0.weight'"},
           {"lpips_v0.1_alex.pth", "it has no tensor 'conv1.weight', but 'lin0.model.1.weight'"},
           {"burn_mnist.pt", "tensor 'conv1.weight' has shape [8, 1, 3, 3]" + stem},
           {"burn_mnist.safetensors", "tensor 'conv1.weight' has shape [8, 1, 3, 3]" + stem},
           {"resnet20-12fca82f.th", "tensor 'conv1.weight' has shape [16, 3, 3, 3]" + stem}}) {
    const std::filesystem::path file = checkpoints / name;
    EXPECT_EQ(message_of([&] { load_model(file); }, ErrorCode::unsupported, checkpoints),
              "'" + name + "' is not a supported ResNet: " + reason);
  }
}

TEST_F(ModelFile, WhichOfSeveralNetworksIsMeantNobodyCanTell) {
  NamedTensors both;
  for (const std::string prefix : {"student.", "teacher."}) {
    for (const auto& [name, value] : state()) both.emplace_back(prefix + name, value);
  }
  expect_error(
      both, ErrorCode::mismatch,
      "'m.pth' has the tensors of several ResNets (under 'student.', 'teacher.'), expected those of one");
  NamedTensors headed;
  for (const auto& [name, value] : state()) headed.emplace_back("a." + name, value);
  headed.emplace_back("fc.bias", at::ones({classes}));
  expect_error(
      headed, ErrorCode::mismatch,
      "'m.pth' has the tensors of a ResNet under 'a.' and others that have the same names without it, "
      "expected those of one");
}

TEST_F(ModelFile, GroupNormsAreRefused) {
  NamedTensors tensors = state();
  std::erase_if(tensors, [](const auto& entry) { return entry.first.find("running_") != std::string::npos; });
  expect_error(
      tensors, ErrorCode::unsupported,
      "'m.pth' is not a supported ResNet: its norms have no running statistics (GroupNorm), as tensor "
      "'bn1.weight' tells");
}

}  // namespace
}  // namespace resnet::testing
