// From the values of a pickle to named tensors: where the state dict is.
#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "model/error.h"
#include "model/quote.h"
#include "model/tensor_names.h"
#include "model/torch_formats.h"

namespace resnet {
namespace {

/// Where training scripts keep the weights, the ones to prefer first.
constexpr std::array<std::string_view, 12> wrappers{
    "state_dict", "model",   "model_state_dict", "model_state", "model_ema", "state_dict_ema",
    "net",        "network", "ema_state_dict",   "weights",     "params",    "encoder"};

/// Finds the state dict in what a training script saved. What it finds out about a dict it keeps: a small
/// pickle may refer to a large dict from a million places.
class StateDictFinder {
 public:
  /// The dict of tensors; `notes` gets a line for each level of wrapping.  @throws Error format
  const PickleValue& find(const PickleValue& root, const std::string& where, std::vector<std::string>& notes);

 private:
  std::size_t count_tensors(const PickleValue& value);
  bool leads_to_tensors(const PickleValue& value, int levels);
  std::optional<std::size_t> find_wrapped(const PickleValue& dict);

  std::unordered_map<const PickleValue*, std::size_t> counts_;
  std::map<std::pair<const PickleValue*, int>, bool> leads_;
};

std::size_t StateDictFinder::count_tensors(const PickleValue& value) {
  if (!value.is(PickleKind::dict)) return 0;
  const auto [known, inserted] = counts_.try_emplace(&value, 0);
  if (inserted) {
    for (std::size_t i = 1; i < value.items.size(); i += 2)
      known->second += is_tensor(*value.items[i]) ? 1 : 0;
  }
  return known->second;
}

/// A dict that holds tensors, or (in `levels` more steps) a dict that does.
bool StateDictFinder::leads_to_tensors(const PickleValue& value, int levels) {
  if (count_tensors(value) > 0) return true;
  if (levels == 0 || !value.is(PickleKind::dict)) return false;
  const auto [known, inserted] = leads_.try_emplace({&value, levels}, false);
  if (!inserted) return known->second;
  for (std::size_t i = 1; i < value.items.size(); i += 2) {
    const PickleValue& key = *value.items[i - 1];
    const bool wrapper =
        key.is(PickleKind::string) && std::find(wrappers.begin(), wrappers.end(), key.text) != wrappers.end();
    if (wrapper && leads_to_tensors(*value.items[i], levels - 1)) return known->second = true;
  }
  return false;
}

/// The entry of `dict` that wraps a state dict: by name, else the only dict of tensors in a dict without any.
/// @return index of its key, or nothing
std::optional<std::size_t> StateDictFinder::find_wrapped(const PickleValue& dict) {
  for (const std::string_view wrapper : wrappers) {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const bool named = dict.items[i]->is(PickleKind::string) && dict.items[i]->text == wrapper;
      if (named && leads_to_tensors(*dict.items[i + 1], 2)) return i;
    }
  }
  if (count_tensors(dict) > 0) return std::nullopt;
  std::optional<std::size_t> only;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (count_tensors(*dict.items[i + 1]) == 0) continue;
    if (only) return std::nullopt;
    only = i;
  }
  return only;
}

/// Python would keep the last of two, and a reader of the first would see other weights.
void require_unique(const PickleValue& dict, const std::string& where) {
  std::unordered_set<std::string_view> keys;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& key = *dict.items[i];
    if (key.is(PickleKind::string) && !keys.insert(key.text).second)
      throw Error(ErrorCode::format, where + " has the key " + quote(key.text) + " twice");
  }
}

const PickleValue& StateDictFinder::find(const PickleValue& root, const std::string& where,
                                         std::vector<std::string>& notes) {
  const PickleValue* dict = &root;
  for (int level = 0; level < 4 && dict->is(PickleKind::dict); ++level) {
    const auto wrapped = find_wrapped(*dict);
    if (!wrapped) break;
    require_unique(*dict, where);
    const PickleValue& key = *dict->items[*wrapped];
    notes.push_back("state dict found under " +
                    (key.is(PickleKind::string) ? quote(key.text) : "a key that is " + describe(key)));
    dict = dict->items[*wrapped + 1];
  }
  if (!dict->is(PickleKind::dict))
    throw Error(ErrorCode::format,
                where + " holds " + describe(*dict) + ", expected a dict of tensors (a state dict)");
  require_unique(*dict, where);
  if (count_tensors(*dict) == 0)
    throw Error(ErrorCode::format, where + " holds no tensors, expected a state dict");
  return *dict;
}

}  // namespace

TensorSource view_of(const PickleValue& tensor, const std::string& where) {
  if (!tensor.is(PickleKind::tensor) || !tensor.items[0]->is(PickleKind::storage)) {
    throw Error(ErrorCode::format,
                where + " is damaged: it refers to a tensor in the way of an older format");
  }
  TensorSource source;
  source.type = tensor.items[0]->type;
  source.offset = tensor.integer;
  for (const auto& [items, numbers] :
       {std::pair(tensor.items[1], &source.sizes), std::pair(tensor.items[2], &source.strides)}) {
    for (const PickleValue* item : items->items) {
      if (!item->is(PickleKind::integer))
        throw Error(ErrorCode::format,
                    where + " is damaged: a tensor's shape has " + describe(*item) + " in it");
      numbers->push_back(item->integer);
    }
  }
  return source;
}

void extract_state_dict(const TorchFile& file, const std::shared_ptr<const FileBytes>& bytes,
                        const std::string& where, Checkpoint& checkpoint) {
  StateDictFinder finder;
  const PickleValue& dict = finder.find(*file.root, where, checkpoint.notes);
  TensorBuilder builder(bytes, where);
  std::size_t others = 0;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const PickleValue& key = *dict.items[i];
    const PickleValue& value = *dict.items[i + 1];
    if (!is_tensor(value)) {
      ++others;
      continue;
    }
    if (!key.is(PickleKind::string))
      throw Error(ErrorCode::format, where + " names a tensor by " + describe(key) + ", expected a string");
    if (!is_usable_name(key.text))
      throw Error(ErrorCode::format, where + " has a tensor with the unusable name " + quote(key.text));
    const std::string name(key.text);
    checkpoint.tensors.emplace_back(name, builder.build(name, file.locate(value)));
  }
  if (others > 0)
    checkpoint.notes.push_back(std::to_string(others) +
                               " entries of the state dict that are no tensors ignored");
  normalise_names(checkpoint);
}

}  // namespace resnet
