#include "training/class_match.h"

#include <algorithm>
#include <numeric>

#include "model/error.h"

namespace resnet {

std::vector<std::size_t> match_classes(const std::vector<std::string>& folders,
                                       const std::filesystem::path& root,
                                       const std::vector<std::string>& names, std::size_t num_classes) {
  std::vector<std::size_t> result(folders.size());
  if (names.empty()) {
    if (num_classes != folders.size()) {
      throw Error(ErrorCode::mismatch, root.string() + " has " + std::to_string(folders.size()) +
                                           " class folders, the model has " + std::to_string(num_classes) +
                                           " classes without names; expected as many");
    }
    std::iota(result.begin(), result.end(), std::size_t{0});
    return result;
  }
  for (std::size_t i = 0; i < folders.size(); ++i) {
    const auto found = std::find(names.begin(), names.end(), folders[i]);
    if (found == names.end()) {
      throw Error(ErrorCode::mismatch, (root / folders[i]).string() + " is none of the model's " +
                                           std::to_string(names.size()) + " classes");
    }
    result[i] = static_cast<std::size_t>(found - names.begin());
  }
  return result;
}

}  // namespace resnet
