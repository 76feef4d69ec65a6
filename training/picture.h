#ifndef RESNET_TRAINING_PICTURE_H
#define RESNET_TRAINING_PICTURE_H

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "model/image.h"
#include "model/preprocess.h"

namespace resnet {

/// What a picture file may have at most.
inline constexpr std::uint64_t kMaxPictureBytes = std::uint64_t{512} << 20;

/// Reads a picture file as 8-bit RGB, turned upright by its EXIF orientation: grey is repeated, alpha
/// dropped, palettes and CMYK expanded, 16-bit scaled to 8.
/// @param least_side above 0: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, where its short side
/// keeps so many pixels. That takes a part of the time, and gives means of the DCT's blocks: not what scaling
/// the whole picture gives.
/// @throws Error not_found, read, format naming the file: no picture, truncated, more than 178 million pixels
/// or 32768 pixels on a side
RgbPicture read_picture(const std::filesystem::path& path, int least_side = 0);

/// The same for the bytes of a file; `name` is for errors.
RgbPicture decode_picture(std::span<const std::uint8_t> bytes, const std::string& name, int least_side = 0);

/// The picture as an Image that borrows its pixels.
Image as_image(const RgbPicture& picture);

/// `picture` with its short side scaled to `short_side` pixels, or as it is when that is not smaller.
RgbPicture shrink(RgbPicture picture, int short_side);

}  // namespace resnet

#endif
