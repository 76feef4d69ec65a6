#include "model/architecture.h"

#include <algorithm>

#include "model/error.h"

namespace resnet {
namespace {

using Shape = std::vector<std::int64_t>;

struct NamedArchitecture {
  const char* name;
  Architecture architecture;
};

constexpr BlockType kBasic = BlockType::basic;
constexpr BlockType kBottleneck = BlockType::bottleneck;

constexpr std::array<NamedArchitecture, 10> kArchitectures{{
    {"resnet18", {kBasic, {2, 2, 2, 2}, 64, 1, 64}},
    {"resnet34", {kBasic, {3, 4, 6, 3}, 64, 1, 64}},
    {"resnet50", {kBottleneck, {3, 4, 6, 3}, 64, 1, 64}},
    {"resnet101", {kBottleneck, {3, 4, 23, 3}, 64, 1, 64}},
    {"resnet152", {kBottleneck, {3, 8, 36, 3}, 64, 1, 64}},
    {"resnext50_32x4d", {kBottleneck, {3, 4, 6, 3}, 64, 32, 4}},
    {"resnext101_32x8d", {kBottleneck, {3, 4, 23, 3}, 64, 32, 8}},
    {"resnext101_64x4d", {kBottleneck, {3, 4, 23, 3}, 64, 64, 4}},
    {"wide_resnet50_2", {kBottleneck, {3, 4, 6, 3}, 64, 1, 128}},
    {"wide_resnet101_2", {kBottleneck, {3, 4, 23, 3}, 64, 1, 128}},
}};

// Far beyond any published network; keeps the products below within an int.
constexpr std::int64_t kMaxWidth = 8192;
constexpr std::int64_t kMaxClasses = 10'000'000;
constexpr int kMaxLayers = 10'000;

[[noreturn]] void refuse(const std::string& reason) {
  throw Error(ErrorCode::unsupported, "not a supported ResNet: " + reason);
}

Shape required(const ShapeLookup& shape_of, const std::string& name, std::size_t dimensions) {
  const std::optional<Shape> shape = shape_of(name);
  if (!shape) refuse("it has no tensor '" + name + "'");
  if (shape->size() != dimensions || std::ranges::any_of(*shape, [](std::int64_t n) { return n < 1; })) {
    refuse("tensor '" + name + "' has shape " + to_text(*shape) + ", expected " + std::to_string(dimensions) +
           " dimensions of at least 1");
  }
  return *shape;
}

std::string block_prefix(int stage, int index) {
  return "layer" + std::to_string(stage + 1) + "." + std::to_string(index) + ".";
}

int infer_width(const ShapeLookup& shape_of) {
  const Shape stem = required(shape_of, "conv1.weight", 4);
  if (stem[1] != 3 || stem[2] != 7 || stem[3] != 7 || stem[0] > kMaxWidth) {
    refuse("tensor 'conv1.weight' has shape " + to_text(stem) +
           ", expected [width, 3, 7, 7] with a width of at most " + std::to_string(kMaxWidth));
  }
  return static_cast<int>(stem[0]);
}

BlockType infer_block(const ShapeLookup& shape_of) {
  const Shape conv1 = required(shape_of, "layer1.0.conv1.weight", 4);
  if (conv1[2] == 3 && conv1[3] == 3) return BlockType::basic;
  if (conv1[2] == 1 && conv1[3] == 1) return BlockType::bottleneck;
  refuse("tensor 'layer1.0.conv1.weight' has shape " + to_text(conv1) +
         ", expected a 3×3 (BasicBlock) or a 1×1 (Bottleneck) convolution");
}

int count_blocks(const ShapeLookup& shape_of, int stage) {
  int count = 0;
  while (count < kMaxLayers && shape_of(block_prefix(stage, count) + "conv1.weight")) ++count;
  if (count == 0) refuse("it has no tensor '" + block_prefix(stage, 0) + "conv1.weight'");
  return count;
}

/// torchvision's inner width is int(channels · width_per_group / 64) · groups: the smallest width_per_group
/// that gives the widths found in all four stages.
void infer_groups(const ShapeLookup& shape_of, Architecture& architecture) {
  const std::string first = "layer1.0.conv2.weight";
  const Shape conv2 = required(shape_of, first, 4);
  if (conv2[0] % conv2[1] != 0 || conv2[0] > kMaxWidth * 64) {
    refuse("tensor '" + first + "' has shape " + to_text(conv2) + ", expected [n, n/groups, 3, 3]");
  }
  architecture.groups = static_cast<int>(conv2[0] / conv2[1]);
  const auto ceil_divide = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t low = ceil_divide(64 * conv2[1], architecture.width);
  const std::int64_t high = ceil_divide(64 * (conv2[1] + 1), architecture.width);
  std::array<std::int64_t, 4> found{};
  for (int stage = 0; stage < 4; ++stage) {
    found[static_cast<std::size_t>(stage)] =
        required(shape_of, block_prefix(stage, 0) + "conv2.weight", 4)[0];
  }
  for (std::int64_t candidate = low; candidate < high && candidate <= 64 * kMaxWidth; ++candidate) {
    bool fits = true;
    for (int stage = 0; stage < 4; ++stage) {
      const std::int64_t inner =
          static_cast<std::int64_t>(architecture.channels(stage)) * candidate / 64 * architecture.groups;
      fits = fits && inner == found[static_cast<std::size_t>(stage)];
    }
    if (fits) {
      architecture.width_per_group = static_cast<int>(candidate);
      return;
    }
  }
  refuse("the conv2 tensors of its four stages have " + std::to_string(found[0]) + ", " +
         std::to_string(found[1]) + ", " + std::to_string(found[2]) + " and " + std::to_string(found[3]) +
         " channels, which no width per group gives");
}

/// Collects the entries of a state dict in order.
class ShapeList {
 public:
  void convolution(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t kernel) {
    add(name + ".weight", {out, in, kernel, kernel});
  }
  void batch_norm(const std::string& name, std::int64_t channels) {
    for (const char* entry : {".weight", ".bias", ".running_mean", ".running_var"})
      add(name + entry, {channels});
    add(name + ".num_batches_tracked", {});
  }
  void add(std::string name, Shape shape) { list_.emplace_back(std::move(name), std::move(shape)); }
  std::vector<std::pair<std::string, Shape>> take() { return std::move(list_); }

 private:
  std::vector<std::pair<std::string, Shape>> list_;
};

void add_block(ShapeList& list, const Architecture& architecture, int stage, int index, std::int64_t in) {
  const std::string prefix = block_prefix(stage, index);
  const std::int64_t inner = architecture.inner_channels(stage);
  const std::int64_t out = std::int64_t{architecture.channels(stage)} * architecture.expansion();
  const auto add = [&](const char* number, std::int64_t to, std::int64_t from, std::int64_t kernel) {
    list.convolution(prefix + "conv" + number, to, from, kernel);
    list.batch_norm(prefix + "bn" + number, to);
  };
  if (architecture.block == BlockType::basic) {
    add("1", out, in, 3);
    add("2", out, out, 3);
  } else {
    add("1", inner, in, 1);
    add("2", inner, inner / architecture.groups, 3);
    add("3", out, inner, 1);
  }
  if (index == 0 && (stage > 0 || in != out)) {
    list.convolution(prefix + "downsample.0", out, in, 1);
    list.batch_norm(prefix + "downsample.1", out);
  }
}

}  // namespace

std::string to_text(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

std::string Architecture::name() const {
  for (const NamedArchitecture& known : kArchitectures) {
    if (known.architecture == *this) return known.name;
  }
  std::string text = block == BlockType::basic ? "ResNet (BasicBlock " : "ResNet (Bottleneck ";
  for (std::size_t i = 0; i < layers.size(); ++i) text += (i ? "-" : "") + std::to_string(layers[i]);
  text += ", width " + std::to_string(width);
  if (groups != 1) text += ", groups " + std::to_string(groups);
  if (width_per_group != 64) text += ", width per group " + std::to_string(width_per_group);
  return text + ")";
}

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const NamedArchitecture& known : kArchitectures) names.emplace_back(known.name);
  return names;
}

Architecture find_architecture(std::string_view name) {
  std::string names;
  for (const NamedArchitecture& known : kArchitectures) {
    if (name == known.name) return known.architecture;
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  throw Error(ErrorCode::unsupported,
              "there is no architecture '" + std::string(name) + "'; there are: " + names);
}

InferredArchitecture infer_architecture(const ShapeLookup& shape_of) {
  InferredArchitecture result;
  Architecture& architecture = result.architecture;
  architecture.width = infer_width(shape_of);
  architecture.block = infer_block(shape_of);
  for (int stage = 0; stage < 4; ++stage) {
    architecture.layers[static_cast<std::size_t>(stage)] = count_blocks(shape_of, stage);
  }
  if (architecture.block == BlockType::bottleneck) infer_groups(shape_of, architecture);
  if (shape_of("fc.weight")) {
    const Shape head = required(shape_of, "fc.weight", 2);
    if (head[1] != architecture.features() || head[0] > kMaxClasses) {
      refuse("tensor 'fc.weight' has shape " + to_text(head) + ", expected [classes, " +
             std::to_string(architecture.features()) + "]");
    }
    result.num_classes = static_cast<int>(head[0]);
  }
  return result;
}

std::vector<std::pair<std::string, Shape>> state_dict_shapes(const Architecture& architecture,
                                                             int num_classes) {
  ShapeList list;
  list.convolution("conv1", architecture.width, 3, 7);
  list.batch_norm("bn1", architecture.width);
  std::int64_t in = architecture.width;
  for (int stage = 0; stage < 4; ++stage) {
    for (int index = 0; index < architecture.layers[static_cast<std::size_t>(stage)]; ++index) {
      add_block(list, architecture, stage, index, in);
      in = std::int64_t{architecture.channels(stage)} * architecture.expansion();
    }
  }
  if (num_classes > 0) {
    list.add("fc.weight", {num_classes, architecture.features()});
    list.add("fc.bias", {num_classes});
  }
  return list.take();
}

}  // namespace resnet
