#ifndef RESNET_TRAINING_CLASS_MATCH_H
#define RESNET_TRAINING_CLASS_MATCH_H

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace resnet {

/// By class folder of `root`, the index of the model's class with the same name; of a model that names none
/// (`names` is empty), of the class with the same index.
/// @throws Error mismatch: a folder that is none of the model's classes; without names, not as many
std::vector<std::size_t> match_classes(const std::vector<std::string>& folders,
                                       const std::filesystem::path& root,
                                       const std::vector<std::string>& names, std::size_t num_classes);

}  // namespace resnet

#endif
