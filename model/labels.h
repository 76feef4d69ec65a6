#ifndef RESNET_MODEL_LABELS_H
#define RESNET_MODEL_LABELS_H

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace resnet {

/// Far beyond any data set; a network may have more, but no names for them.
inline constexpr std::size_t max_labels = 100'000;

/// Reads `class_indices.json`: {"0": "daisy", "1": "dandelion", …}; keys must be 0…n−1, each once. A file
/// whose name ends in `.txt` has a label on each line instead.
/// @return the names by index, UTF-8.
/// @throws Error not_found, read or format, naming the file and the key or line
std::vector<std::string> read_labels(const std::filesystem::path& path);

/// Checks that there is a name for each class of a network's head.
/// @param where begins the error: the quoted name of the file that names them
/// @throws Error mismatch
void require_fitting(const std::vector<std::string>& labels, std::size_t num_classes,
                     const std::string& where);

/// read_labels for a network with that many classes. @throws Error also mismatch
std::vector<std::string> read_fitting_labels(const std::filesystem::path& path, std::size_t num_classes);

/// Writes the same, four-space indent, UTF-8, keys in numerical order; to a temporary file, then renamed.
/// @throws Error write
void write_labels(const std::filesystem::path& path, const std::vector<std::string>& labels);

}  // namespace resnet

#endif
