#include "model/tensor_names.h"

#include <unordered_set>

#include "model/quote.h"

namespace resnet {
namespace {

/// A tensor that every ResNet has.
constexpr std::string_view landmark = "layer1.0.conv1.weight";

void remove_prefix(Checkpoint& checkpoint, const std::string& prefix) {
  std::unordered_set<std::string_view> others;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!name.starts_with(prefix)) others.insert(name);
  }
  // Of two names that would become one neither is the right one: a head of 1,000 classes inside, one's own
  // outside.
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (name.starts_with(prefix) && others.contains(std::string_view(name).substr(prefix.size()))) return;
  }
  for (auto& [name, tensor] : checkpoint.tensors) {
    if (name.starts_with(prefix) && name.size() > prefix.size()) name.erase(0, prefix.size());
  }
  checkpoint.notes.push_back("prefix " + quote(prefix) + " removed");
}

/// A head that is a Sequential of one linear layer and others without weights, such as dropout: fc.1 becomes
/// fc.
void unwrap_head(Checkpoint& checkpoint) {
  std::string layer;  // "fc.1."
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!name.starts_with("fc.")) continue;
    const std::size_t end = name.find_first_not_of("0123456789", 3);
    if (end == 3 || end == std::string::npos || name[end] != '.') return;
    if (layer.empty()) layer = name.substr(0, end + 1);
    if (!name.starts_with(layer)) return;  // of several layers there is no one head
  }
  if (layer.empty()) return;
  for (auto& [name, tensor] : checkpoint.tensors) {
    if (name.starts_with(layer)) name = "fc." + name.substr(layer.size());
  }
  checkpoint.notes.push_back("head " + quote(layer.substr(0, layer.size() - 1)) + " taken for 'fc'");
}

}  // namespace

std::vector<std::string> network_prefixes(const NamedTensors& tensors) {
  std::vector<std::string> prefixes;
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with(landmark)) continue;
    const std::string prefix = name.substr(0, name.size() - landmark.size());
    if (prefix.empty() || prefix.ends_with('.')) prefixes.push_back(prefix);
  }
  return prefixes;
}

void normalise_names(Checkpoint& checkpoint) {
  const std::vector<std::string> prefixes = network_prefixes(checkpoint.tensors);
  if (prefixes.size() != 1) return;
  if (!prefixes.front().empty()) remove_prefix(checkpoint, prefixes.front());
  unwrap_head(checkpoint);
}

}  // namespace resnet
