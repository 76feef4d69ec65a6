#include "model/resnet_variants.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "model/error.h"
#include "model/quote.h"

namespace resnet {
namespace {

/// Where in a name a trait's text stands.
enum class Place : std::uint8_t {
  start,  ///< of the whole name
  block   ///< behind "layer1.0."
};

struct Trait {
  Place place;
  std::string_view text;
  const char* description;
};

// More telling ones first: a ResNet-50-D with attention has a deep stem too.
constexpr std::array<Trait, 14> traits{{
    {Place::start, "resnet.embedder.", "its tensors are named as in Hugging Face's transformers"},
    {Place::start, "embedder.embedder.", "its tensors are named as in Hugging Face's transformers"},
    {Place::start, "stem.", "it has the stem and stages of another family (ResNetV2, RegNet, …)"},
    {Place::start, "layer0.", "it has the stem of the first SENets"},
    {Place::block, "se.", "its blocks have squeeze-and-excitation or another attention"},
    {Place::block, "se_module.", "its blocks have squeeze-and-excitation"},
    {Place::block, "attn.", "its blocks have attention"},
    {Place::block, "convs.", "its blocks are those of Res2Net"},
    {Place::block, "conv2.fc1.", "its blocks have the split attention of ResNeSt"},
    {Place::block, "conv1.paths.", "its blocks have the selective kernels of SKNet"},
    {Place::block, "conv2.paths.", "its blocks have the selective kernels of SKNet"},
    {Place::start, "conv1.0.",
     "it has a deep stem of three 3×3 convolutions (timm's c, d, e, s and t variants)"},
    {Place::start, "maxpool.", "its stem has a convolution or a filter in place of the max pool"},
    {Place::block, "aa.", "its blocks have anti-aliasing filters (BlurPool)"},
}};

/// What stands behind "layer1.0.", or nothing.
std::optional<std::string_view> in_block(std::string_view name) {
  if (!name.starts_with("layer")) return std::nullopt;
  const std::size_t stage = name.find('.');
  const std::size_t block = stage == std::string_view::npos ? stage : name.find('.', stage + 1);
  if (block == std::string_view::npos) return std::nullopt;
  return name.substr(block + 1);
}

bool has_trait(std::string_view name, const Trait& trait) {
  if (trait.place == Place::start) return name.starts_with(trait.text);
  const auto rest = in_block(name);
  return rest && rest->starts_with(trait.text);
}

[[noreturn]] void refuse(const char* description, std::string_view name) {
  throw Error(ErrorCode::unsupported, std::string("not a supported ResNet: ") + description + ", as tensor " +
                                          quote(name) + " tells");
}

}  // namespace

void refuse_variants(const NamedTensors& tensors) {
  for (const Trait& trait : traits) {
    const auto found =
        std::ranges::find_if(tensors, [&](const auto& entry) { return has_trait(entry.first, trait); });
    if (found != tensors.end()) refuse(trait.description, found->first);
  }
  bool norm = false, statistics = false;
  for (const auto& [name, tensor] : tensors) {
    if (in_block(name) == "downsample.1.weight" && tensor.dim() == 4)
      refuse("its shortcuts average where they shrink (timm's d and t variants)", name);
    norm = norm || name == "bn1.weight";
    statistics = statistics || name == "bn1.running_mean" || name == "bn1.running_var";
  }
  if (norm && !statistics) refuse("its norms have no running statistics (GroupNorm)", "bn1.weight");
}

}  // namespace resnet
