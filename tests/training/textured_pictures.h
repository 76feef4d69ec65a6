#ifndef RESNET_TESTS_TRAINING_TEXTURED_PICTURES_H
#define RESNET_TESTS_TRAINING_TEXTURED_PICTURES_H

#include <cstdint>
#include <filesystem>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

namespace resnet {

/// A picture of random colours on an 8×8 grid, scaled to any size without edges: another seed, another
/// picture.
inline cv::Mat texture(int seed, int width = 160, int height = 120) {
  cv::Mat grid(9, 9, CV_8UC3);
  cv::RNG random(static_cast<std::uint64_t>(seed) + 1);
  random.fill(grid, cv::RNG::UNIFORM, 0, 256);
  cv::Mat picture(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const float fx = 8 * static_cast<float>(x) / static_cast<float>(width);
      const float fy = 8 * static_cast<float>(y) / static_cast<float>(height);
      const int left = static_cast<int>(fx);
      const int top = static_cast<int>(fy);
      const float u = fx - static_cast<float>(left);
      const float v = fy - static_cast<float>(top);
      const auto corner = [&](int i, int j) { return cv::Vec3f(grid.at<cv::Vec3b>(top + j, left + i)); };
      picture.at<cv::Vec3b>(y, x) = cv::Vec3b((1 - v) * ((1 - u) * corner(0, 0) + u * corner(1, 0)) +
                                              v * ((1 - u) * corner(0, 1) + u * corner(1, 1)));
    }
  }
  return picture;
}

inline void write_texture(const std::filesystem::path& path, int seed, int width = 160, int height = 120,
                          int quality = 95) {
  std::filesystem::create_directories(path.parent_path());
  std::vector<int> options;
  if (path.extension() == ".jpg") options = {cv::IMWRITE_JPEG_QUALITY, quality};
  cv::imwrite(path.string(), texture(seed, width, height), options);
}

}  // namespace resnet

#endif
