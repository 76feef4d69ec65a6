#ifndef RESNET_MODEL_ARCHITECTURE_H
#define RESNET_MODEL_ARCHITECTURE_H

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resnet {

enum class BlockType : std::uint8_t { basic, bottleneck };

/// Everything that fixes the shape of a ResNet but the number of its classes.
struct Architecture {
  BlockType block = BlockType::basic;
  std::array<int, 4> layers{2, 2, 2, 2};  ///< blocks in each of the four stages
  int width = 64;                         ///< channels behind the stem; stage i has width·2^i·expansion
  int groups = 1;                         ///< of the 3×3 convolution; bottleneck only
  int width_per_group = 64;               ///< torchvision's; bottleneck only

  bool operator==(const Architecture&) const = default;

  int expansion() const { return block == BlockType::basic ? 1 : 4; }
  /// Channels of stage 0…3 before expansion.
  int channels(int stage) const { return width << stage; }
  /// Channels of the 3×3 convolution of stage 0…3; for a BasicBlock the same as channels().
  int inner_channels(int stage) const {
    return block == BlockType::basic
               ? channels(stage)
               : static_cast<int>(static_cast<std::int64_t>(channels(stage)) * width_per_group / 64) * groups;
  }
  /// Channels that reach the head: 512 for resnet18, 2048 for resnet50.
  int features() const { return width * 8 * expansion(); }
  /// torchvision's name where it has one ("resnet34"), else "ResNet (BasicBlock 1-1-1-1, width 16)".
  std::string name() const;
};

/// "[64, 3, 7, 7]"
std::string to_text(const std::vector<std::int64_t>& shape);

/// The names that find_architecture knows: torchvision's ResNets, in the order of its documentation.
std::vector<std::string> architecture_names();

/// The architecture with torchvision's name `name`.
/// @throws Error unsupported, listing the names there are
Architecture find_architecture(std::string_view name);

/// What a state dict's shapes say about the network that it belongs to.
struct InferredArchitecture {
  Architecture architecture;
  int num_classes = 0;  ///< 0: no head (`fc`)
};

/// Shape of the tensor of that name, nothing when there is none.
using ShapeLookup = std::function<std::optional<std::vector<std::int64_t>>(const std::string& name)>;

/// Infers the architecture from tensor shapes alone: a BasicBlock is told from a Bottleneck by
/// `layer1.0.conv1.weight` being 3×3 or 1×1, never by the presence of `conv3`.
/// @throws Error unsupported "not a supported ResNet: …" naming the tensor that rules it out
InferredArchitecture infer_architecture(const ShapeLookup& shape_of);

/// Every entry of the state dict of such a network with its shape, under torchvision's names and in its
/// order. @param num_classes 0: no head
std::vector<std::pair<std::string, std::vector<std::int64_t>>> state_dict_shapes(
    const Architecture& architecture, int num_classes);

}  // namespace resnet

#endif
