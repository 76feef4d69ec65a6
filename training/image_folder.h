#ifndef RESNET_TRAINING_IMAGE_FOLDER_H
#define RESNET_TRAINING_IMAGE_FOLDER_H

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace resnet {

struct Sample {
  std::filesystem::path path;
  int label = 0;  ///< index into the classes
};

/// A folder with a sub-folder per class, as torchvision's ImageFolder reads it: class names and, within a
/// class, paths in plain byte order; sub-folders of a class are searched too. Names that begin with a dot are
/// left out.
struct ImageFolder {
  std::vector<std::string> classes;
  std::vector<Sample> samples;
  std::vector<std::filesystem::path> not_pictures;  ///< files left out because of their ending
};

/// True for the endings that torchvision's ImageFolder takes: .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff
/// .webp.
bool has_picture_ending(const std::filesystem::path& path);

/// All pictures in `folder` and below, in plain byte order; others are appended to `not_pictures`.
/// @throws Error not_found, read
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder,
                                                 std::vector<std::filesystem::path>& not_pictures);

/// The sub-folders of `root` in plain byte order: one for each class.
/// @throws Error not_found, read
std::vector<std::string> list_classes(const std::filesystem::path& root);

/// @throws Error not_found, read, format: no folder, no class folders, a class folder without a picture
ImageFolder scan_image_folder(const std::filesystem::path& root);

/// The folder that validates beside `root/train`: `root/val`, `root/valid` or `root/validation`; nothing
/// where `root` is one ImageFolder.
/// @throws Error format: `root/train` holds class folders and there is none beside it to validate with
std::optional<std::filesystem::path> validation_folder(const std::filesystem::path& root);

struct TrainingData {
  std::vector<std::string> classes;
  std::vector<Sample> train;
  std::vector<Sample> val;  ///< chooses the epoch whose network is kept
  std::vector<Sample>
      test;  ///< chooses nothing, so that its accuracy is that of pictures never seen; may be empty
  std::vector<std::filesystem::path> not_pictures;
};

/// `root/train`, validation_folder() and `root/test` if there is one, or one ImageFolder of which a tenth of
/// each class (at least one picture, where a class has two) becomes `val`. The choice is by a hash of each
/// file's bytes: it does not depend on names, and copies of a picture stay on one side, also across classes.
/// @param hold_out more than 0: `val` becomes `test`, and so large a part of `train` becomes `val`
/// @throws Error as scan_image_folder; also for fewer than two classes, class lists that differ, class names
/// that are no UTF-8, or a hold_out beside `root/test`
TrainingData open_training_data(const std::filesystem::path& root, double hold_out = 0);

}  // namespace resnet

#endif
