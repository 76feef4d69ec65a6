#include "training/picture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include "model/error.h"
#include "model/file_io.h"

namespace resnet {
namespace {

constexpr std::uint64_t kMaxPixels = 178956970;  // Pillow's limit for decompression bombs
constexpr std::uint64_t kMaxSide = 32768;

using Bytes = std::span<const std::uint8_t>;

struct Header {
  std::uint64_t width = 0, height = 0;
  bool complete = true;  ///< the end marker is there
};

std::uint64_t big_endian(Bytes bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value = value << 8 | bytes[at + i];
  }
  return value;
}

bool starts_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

std::optional<Header> png_header(Bytes bytes) {
  if (!starts_with(bytes, "\x89PNG\r\n\x1a\n") || bytes.size() < 24) {
    return std::nullopt;
  }
  constexpr std::string_view kEnd("IEND");
  return Header{big_endian(bytes, 16, 4), big_endian(bytes, 20, 4),
                std::search(bytes.begin(), bytes.end(), kEnd.begin(), kEnd.end()) != bytes.end()};
}

/// Walks the JPEG's markers to the start of its scan. libjpeg fills what a truncated file lacks with grey and
/// only warns, hence the look for the end marker.
std::optional<Header> jpeg_header(Bytes bytes) {
  if (!starts_with(bytes, "\xFF\xD8\xFF")) {
    return std::nullopt;
  }
  Header header;
  std::size_t at = 2;
  while (at + 9 < bytes.size()) {
    if (bytes[at] != 0xFF) {
      return std::nullopt;
    }
    const std::uint8_t marker = bytes[at + 1];
    if (marker == 0xFF) {  // padding
      ++at;
      continue;
    }
    const bool is_frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_frame) {
      header.height = big_endian(bytes, at + 5, 2);
      header.width = big_endian(bytes, at + 7, 2);
    }
    if (marker == 0xDA) {
      static constexpr std::uint8_t kEnd[] = {0xFF, 0xD9};
      header.complete = std::search(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(),
                                    std::begin(kEnd), std::end(kEnd)) != bytes.end();
      return header;
    }
    at += 2 + big_endian(bytes, at + 2, 2);
  }
  header.complete = false;
  return header;
}

void check_size(const Header& header, const std::string& name) {
  if (header.width > kMaxSide || header.height > kMaxSide || header.width * header.height > kMaxPixels) {
    throw Error(ErrorCode::format, name + " is " + std::to_string(header.width) + "×" +
                                       std::to_string(header.height) + " pixels; at most " +
                                       std::to_string(kMaxSide) + " on a side and " +
                                       std::to_string(kMaxPixels) + " in all are read");
  }
}

/// How to decode a JPEG: whole, or at the least of 1/2, 1/4 and 1/8 that leaves its short side so many
/// pixels.
int jpeg_mode(const Header& header, int least_side) {
  const std::uint64_t side = std::min(header.width, header.height);
  const auto least = static_cast<std::uint64_t>(least_side);
  if (least_side <= 0 || side / 2 < least) return cv::IMREAD_COLOR;
  if (side / 4 < least) return cv::IMREAD_REDUCED_COLOR_2;
  return side / 8 < least ? cv::IMREAD_REDUCED_COLOR_4 : cv::IMREAD_REDUCED_COLOR_8;
}

cv::Mat decode(Bytes bytes, const std::string& name, int mode) {
  static const bool silenced = [] {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    return true;
  }();
  static_cast<void>(silenced);
  // OpenCV only reads from the buffer, although Mat has no const form.
  const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<std::uint8_t*>(bytes.data()));
  try {
    return cv::imdecode(buffer, mode);
  } catch (const cv::Exception& error) {
    throw Error(ErrorCode::format, name + " is not a readable picture: " + error.err);
  }
}

}  // namespace

RgbPicture decode_picture(Bytes bytes, const std::string& name, int least_side) {
  if (bytes.empty()) {
    throw Error(ErrorCode::format, name + " is empty; expected a picture");
  }
  std::optional<Header> header = png_header(bytes);
  int mode = cv::IMREAD_COLOR;
  if (!header) {
    header = jpeg_header(bytes);
    if (header) mode = jpeg_mode(*header, least_side);
  }
  if (header) {
    check_size(*header, name);
    if (!header->complete) {
      throw Error(ErrorCode::format, name + " is truncated: its end is missing");
    }
  }
  const cv::Mat bgr = decode(bytes, name, mode);
  if (bgr.empty() || bgr.type() != CV_8UC3) {
    throw Error(ErrorCode::format, name + " is not a picture that can be read: unknown format or corrupt");
  }
  check_size({static_cast<std::uint64_t>(bgr.cols), static_cast<std::uint64_t>(bgr.rows), true}, name);
  RgbPicture picture{bgr.cols, bgr.rows, {}};
  picture.pixels.resize(static_cast<std::size_t>(bgr.cols) * static_cast<std::size_t>(bgr.rows) * 3);
  std::uint8_t* out = picture.pixels.data();
  for (int y = 0; y < bgr.rows; ++y) {
    const std::uint8_t* row = bgr.ptr<std::uint8_t>(y);
    for (int x = 0; x < bgr.cols; ++x, row += 3, out += 3) {
      out[0] = row[2];
      out[1] = row[1];
      out[2] = row[0];
    }
  }
  return picture;
}

RgbPicture read_picture(const std::filesystem::path& path, int least_side) {
  const FileBytes bytes = read_file(path, kMaxPictureBytes);
  return decode_picture({bytes.span().begin(), bytes.span().end()}, path.string(), least_side);
}

Image as_image(const RgbPicture& picture) {
  Image image;
  image.format = PixelFormat::RGB;
  image.width = picture.width;
  image.height = picture.height;
  image.planes[0] = {picture.pixels.data(), std::ptrdiff_t{3} * picture.width};
  return image;
}

RgbPicture shrink(RgbPicture picture, int short_side) {
  const int present = std::min(picture.width, picture.height);
  if (present <= short_side) {
    return picture;
  }
  const double scale = static_cast<double>(short_side) / present;
  const auto scaled = [&](int side) {
    return std::max(short_side, static_cast<int>(std::lround(side * scale)));
  };
  const Box all{0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)};
  return resize(as_image(picture), scaled(picture.width), scaled(picture.height), Interpolation::bilinear,
                all);
}

}  // namespace resnet
