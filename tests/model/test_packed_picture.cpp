// What the CUDA back end does with a picture, thread by thread, held against the CPU's exact way.
#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "model/packed_picture.h"
#include "tests/model/frames.h"

namespace resnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Packs the picture, copies it as an upload does, and runs the kernels of model/preprocess_cuda.cu over the
/// copy.
template <typename Element>
std::vector<Element> run_kernels(const Image& image, const Preprocessing& preprocessing, TensorType type) {
  Preprocessor preprocessor(preprocessing, type, TensorLayout::hwc);
  const ResamplePlan& plan = preprocessor.plan(image);
  const PackedSize size = packed_size(image, plan);
  Bytes here(size.bytes), there(size.bytes + size.scratch);
  const ResampleJob job = pack_picture(image, plan, here.data(), there.data());
  std::copy(here.begin(), here.end(), there.begin());
  Bytes().swap(here);
  for (int y = 0; y < job.between_height; ++y) {
    for (int x = 0; x < job.between_width; ++x) first_pass(job, x, y);
  }
  const ValueTable values = make_value_table(preprocessing, type);
  const auto crop = static_cast<std::size_t>(preprocessing.crop_size);
  std::vector<Element> out(crop * crop * 3);
  for (int y = 0; y < job.crop; ++y) {
    for (int x = 0; x < job.crop; ++x) write_input(job, values.data(), x, y, out.data());
  }
  return out;
}

/// As the engine fills a batch for the CPU, but of the picture's RGB, lest YUV goes a faster way.
template <typename Element>
std::vector<Element> run_preprocessor(const Image& image, const Preprocessing& preprocessing,
                                      TensorType type) {
  const auto crop = static_cast<std::size_t>(preprocessing.crop_size);
  const RgbPicture picture = to_rgb(image);
  Image rgb = view(picture);
  rgb.orientation = image.orientation;
  std::vector<Element> out(crop * crop * 3);
  Preprocessor(preprocessing, type, TensorLayout::hwc).run(rgb, out.data());
  return out;
}

TEST(PackedPicture, BecomesTheInputThatTheCpuMakes) {
  const std::array<std::array<int, 2>, 8> sizes{
      {{1, 1}, {2, 2}, {33, 57}, {320, 181}, {41, 400}, {5, 3}, {901, 64}, {64, 901}}};
  for (const PixelFormat format : all_formats()) {
    for (const auto& [width, height] : sizes) {
      for (int variant = 0; variant < 4; ++variant) {
        Preprocessing preprocessing = make_preprocessing(40, 32);
        preprocessing.interpolation = variant % 2 == 0 ? Interpolation::bilinear : Interpolation::bicubic;
        preprocessing.fit = variant < 3 ? Fit::crop : Fit::stretch;
        Frame frame = make_frame(format, width, height, 7, {variant, variant >= 2});
        frame.image.siting = {variant % 2 == 0, variant >= 2};
        EXPECT_EQ(run_kernels<std::uint16_t>(frame.image, preprocessing, TensorType::fp16),
                  run_preprocessor<std::uint16_t>(frame.image, preprocessing, TensorType::fp16))
            << name(format) << " " << width << "×" << height << " variant " << variant;
      }
    }
  }
}

TEST(PackedPicture, EveryTypeHoldsTheSameBits) {
  const Frame frame = make_frame(PixelFormat::NV12, 90, 70, 2);
  const Preprocessing p = make_preprocessing(40, 32);
  EXPECT_EQ(run_kernels<std::uint32_t>(frame.image, p, TensorType::fp32),
            run_preprocessor<std::uint32_t>(frame.image, p, TensorType::fp32));
  EXPECT_EQ(run_kernels<std::uint16_t>(frame.image, p, TensorType::bf16),
            run_preprocessor<std::uint16_t>(frame.image, p, TensorType::bf16));
}

TEST(PackedPicture, TurnsPicturesUpright) {
  const Preprocessing preprocessing = make_preprocessing(40, 32);
  Frame frame = make_frame(PixelFormat::I420, 90, 70, 5);
  for (const Orientation orientation :
       {Orientation::identity, Orientation::right_90, Orientation::half_turn, Orientation::left_90,
        Orientation::horizontal, Orientation::vertical, Orientation::ul_lr, Orientation::ur_ll}) {
    frame.image.orientation = orientation;
    EXPECT_EQ(run_kernels<std::uint16_t>(frame.image, preprocessing, TensorType::fp16),
              run_preprocessor<std::uint16_t>(frame.image, preprocessing, TensorType::fp16))
        << static_cast<int>(orientation);
  }
}

TEST(PackedPicture, TakesAlongJustWhatTheCropNeeds) {
  Preprocessor preprocessor(Preprocessing(), TensorType::fp16, TensorLayout::hwc);
  const Frame frame = make_frame(PixelFormat::NV12, 1280, 720, 3);
  const PackedSize size = packed_size(frame.image, preprocessor.plan(frame.image));
  // CenterCrop(224) after Resize(256) sees 630 × 630 pixels of it, and a few around them.
  EXPECT_LT(size.bytes, std::size_t{650} * 650 * 3 / 2 + 224 * 2 * 4 * 12);
}

}  // namespace
}  // namespace resnet
