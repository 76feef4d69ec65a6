#include "training/captioned_picture.h"

#include <algorithm>
#include <cstdlib>

#include <opencv2/core.hpp>
#include <opencv2/highgui.hpp>
#include <opencv2/imgcodecs.hpp>

#include "model/error.h"
#include "model/file_io.h"
#include "training/interrupt.h"

namespace resnet {
namespace {

cv::Mat to_bgr(const RgbPicture& picture) {
  cv::Mat bgr(picture.height, picture.width, CV_8UC3);
  for (int y = 0; y < picture.height; ++y) {
    const std::uint8_t* from =
        &picture.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) * 3];
    std::uint8_t* to = bgr.ptr<std::uint8_t>(y);
    for (int x = 0; x < picture.width; ++x, from += 3, to += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  }
  return bgr;
}

}  // namespace

#if !defined(RESNET_HAVE_CAPTION)
void draw_onto(RgbPicture&, const std::vector<CaptionLine>&) {
  throw Error(ErrorCode::unsupported, "this build cannot write on pictures: it was made without Pango");
}
#else
void draw_onto(RgbPicture& picture, const std::vector<CaptionLine>& lines) {
  const CaptionBitmap caption = draw_caption(lines, picture.width, picture.height);
  const int right = std::min(picture.width, caption.x + caption.width);
  const int bottom = std::min(picture.height, caption.y + caption.height);
  for (int y = std::max(0, caption.y); y < bottom; ++y) {
    for (int x = std::max(0, caption.x); x < right; ++x) {
      const std::uint8_t* from =
          &caption.pixels[static_cast<std::size_t>(y - caption.y) * static_cast<std::size_t>(caption.stride) +
                          static_cast<std::size_t>(x - caption.x) * 4];
      std::uint8_t* to =
          &picture.pixels[(static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) +
                           static_cast<std::size_t>(x)) *
                          3];
      for (std::size_t c = 0; c < 3; ++c) {
        const int value = from[2 - c] + (to[c] * (255 - from[3]) + 127) / 255;
        to[c] = static_cast<std::uint8_t>(std::min(255, value));
      }
    }
  }
}

#endif

void save_picture(const RgbPicture& picture, const std::filesystem::path& path) {
  std::vector<std::uint8_t> bytes;
  bool encoded = false;
  try {
    encoded = cv::imencode(path.extension().string(), to_bgr(picture), bytes);
  } catch (const cv::Exception&) {
    encoded = false;
  }
  if (!encoded) {
    throw Error(ErrorCode::write,
                path.string() + " has an ending that no picture format has; expected .png or .jpg");
  }
  write_file_atomically(path, [&](FileWriter& file) { file.write(bytes.data(), bytes.size()); });
}

void show_picture(const RgbPicture& picture, const std::string& title) {
  // The window toolkits end the process when they find no display.
  if (std::getenv("DISPLAY") == nullptr && std::getenv("WAYLAND_DISPLAY") == nullptr) {
    throw Error(ErrorCode::unsupported,
                "--show needs a display and there is none; --save writes the picture instead");
  }
  try {
    cv::namedWindow(title, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO);
    cv::imshow(title, to_bgr(picture));
    while (!interrupted() && cv::waitKey(100) < 0 &&
           cv::getWindowProperty(title, cv::WND_PROP_VISIBLE) >= 1) {
    }
    cv::destroyWindow(title);
  } catch (const cv::Exception& error) {
    throw Error(ErrorCode::unsupported, "no window can be shown: " + error.err);
  }
}

}  // namespace resnet
