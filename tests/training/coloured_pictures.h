#ifndef RESNET_TESTS_TRAINING_COLOURED_PICTURES_H
#define RESNET_TESTS_TRAINING_COLOURED_PICTURES_H

#include <cstdint>
#include <filesystem>
#include <string>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

namespace resnet {

/// A picture of one colour (BGR) with a little texture that depends on `seed`.
inline void write_picture(const std::filesystem::path& path, const cv::Scalar& colour, int seed,
                          int width = 40, int height = 36) {
  std::filesystem::create_directories(path.parent_path());
  cv::Mat picture(height, width, CV_8UC3, colour);
  cv::RNG random(static_cast<std::uint64_t>(seed) + 1);
  cv::Mat noise(height, width, CV_8UC3);
  random.fill(noise, cv::RNG::UNIFORM, 0, 40);
  picture += noise;
  cv::imwrite(path.string(), picture);
}

/// Two classes that a network learns in a few steps: `blue` and `red`, `count` pictures each.
inline void write_two_colours(const std::filesystem::path& folder, int count, int seed = 0) {
  for (int i = 0; i < count; ++i) {
    write_picture(folder / "blue" / ("b" + std::to_string(i) + ".png"), {200, 60, 20}, seed + 2 * i);
    write_picture(folder / "red" / ("r" + std::to_string(i) + ".png"), {20, 60, 200}, seed + 2 * i + 1);
  }
}

}  // namespace resnet

#endif
