#ifndef RESNET_TRAINING_CAPTIONED_PICTURE_H
#define RESNET_TRAINING_CAPTIONED_PICTURE_H

#include <filesystem>
#include <string>
#include <vector>

#include "caption/caption.h"
#include "model/preprocess.h"

namespace resnet {

/// Blends the caption of `lines` over the picture.
void draw_onto(RgbPicture& picture, const std::vector<CaptionLine>& lines);

/// Writes the picture in the format of the name's ending (.png, .jpg, …).
/// @throws Error write
void save_picture(const RgbPicture& picture, const std::filesystem::path& path);

/// Opens a window with that title and waits for a key or for the window to be closed.
/// @throws Error unsupported when there is no display
void show_picture(const RgbPicture& picture, const std::string& title);

}  // namespace resnet

#endif
