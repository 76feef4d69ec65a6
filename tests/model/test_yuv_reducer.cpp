// The fast way from 8-bit YUV to pixels, held against the exact one: every pixel as 8-bit RGB, then Pillow's
// resize.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <tuple>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/pixel_layout.h"
#include "model/yuv.h"
#include "model/yuv_reducer.h"
#include "tests/model/frames.h"

namespace resnet {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<PixelFormat> reducible_formats() {
  std::vector<PixelFormat> formats = yuv_formats();
  std::erase_if(formats, [](PixelFormat format) {
    return layout_of(format).kind != PixelKind::yuv || layout_of(format).depth > 8;
  });
  return formats;
}

ResamplePlan plan_for(const Image& image, const Preprocessing& preprocessing) {
  return make_resample_plan(image.width, image.height, image.pixel_aspect, preprocessing);
}

Bytes reduce(const Image& image, const Preprocessing& preprocessing, VectorUnit unit = best_vector_unit()) {
  const ResamplePlan plan = plan_for(image, preprocessing);
  const PixelSource source = make_pixel_source(image);
  EXPECT_TRUE(YuvReducer::serves(source, preprocessing) && YuvReducer::serves(plan))
      << image.width << "×" << image.height;
  YuvReducer reducer(plan, unit);
  const auto row_bytes = static_cast<std::size_t>(3 * preprocessing.crop_size);
  Bytes out(row_bytes * static_cast<std::size_t>(preprocessing.crop_size));
  reducer.start(source);
  for (std::size_t at = 0; at < out.size(); at += row_bytes) reducer.next_row(source, &out[at]);
  return out;
}

Bytes preprocess(const Image& image, const Preprocessing& preprocessing) {
  Bytes out(static_cast<std::size_t>(3 * preprocessing.crop_size * preprocessing.crop_size));
  Preprocessor(preprocessing, TensorType::u8, TensorLayout::hwc).run(image, out.data());
  return out;
}

struct Difference {
  int most = 0;
  double mean = 0;
};

Difference difference(const Bytes& a, const Bytes& b) {
  Difference result;
  EXPECT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    result.most = std::max(result.most, std::abs(a[i] - b[i]));
    result.mean += (a[i] - b[i]) / static_cast<double>(a.size());
  }
  return result;
}

Difference from_exact(const Image& image, const Preprocessing& preprocessing) {
  return difference(reduce(image, preprocessing), preprocess(view(to_rgb(image)), preprocessing));
}

std::string describe(const Image& image) {
  return name(image.format) + " " + std::to_string(image.width) + "×" + std::to_string(image.height) +
         " matrix " + std::to_string(static_cast<int>(image.matrix)) +
         (image.full_range ? " full range" : "") + (image.siting.horizontal_cosited ? " h-cosited" : "") +
         (image.siting.vertical_cosited ? " v-cosited" : "");
}

// One of 40 of each matrix, range and siting.
void set_variant(Image& image, int variant) {
  image.matrix = static_cast<YuvMatrix>(variant % 5);
  image.full_range = variant / 5 % 2 != 0;
  image.siting = {variant / 10 % 2 != 0, variant / 20 % 2 != 0};
}

// Fills the bytes of every plane by their place.
template <typename Value>
Frame fill(Frame frame, const Value& value) {
  for (std::size_t plane = 0; plane < frame.memory.size(); ++plane) {
    const auto stride = static_cast<std::size_t>(std::abs(frame.image.planes[plane].stride));
    for (std::size_t i = 0; i < frame.memory[plane].size(); ++i)
      frame.memory[plane][i] = static_cast<std::uint8_t>(value(plane, i % stride, i / stride));
  }
  return frame;
}

// Every value as often: what the exact way loses by rounding pixels is nothing on average.
Frame make_noise(PixelFormat format, int width, int height, unsigned seed) {
  std::mt19937 random(seed);
  return fill(make_frame(format, width, height, 1),
              [&](std::size_t, std::size_t, std::size_t) { return random() >> 24; });
}

TEST(YuvReducer, EveryFormatMatrixRangeAndSitingIsWithinAStep) {
  for (const PixelFormat format : reducible_formats()) {
    for (int variant = 0; variant < 40; ++variant) {
      // To their edges on the left and right, or at the top and bottom.
      const bool tall = variant / 4 % 2 != 0;
      const int narrow = 91 + variant % 4, width = tall ? narrow : 101, height = tall ? 101 : narrow;
      Frame noise = make_noise(format, width, height, static_cast<unsigned>(variant));
      // Of 3 comes nothing but 0 and 255.
      Frame extremes = make_frame(format, width, height, 3);
      set_variant(noise.image, variant);
      set_variant(extremes.image, variant);
      const Difference found = from_exact(noise.image, make_preprocessing(40, 40));
      EXPECT_LE(found.most, 1) << describe(noise.image);
      EXPECT_LT(std::abs(found.mean), 0.05) << describe(noise.image);
      EXPECT_LE(from_exact(extremes.image, make_preprocessing(40, 40)).most, 1) << describe(noise.image);
    }
  }
}

TEST(YuvReducer, PicturesOfEverySizeAreWithinAStep) {
  const Preprocessing large = make_preprocessing(256, 224), small = make_preprocessing(40, 32);
  for (const auto& [width, height, preprocessing] : {std::tuple{1280, 720, large},
                                                     {1920, 1080, large},
                                                     {640, 480, large},
                                                     {641, 361, large},
                                                     {290, 289, large},
                                                     {405, 720, large},
                                                     {47, 45, small},
                                                     {46, 901, small},
                                                     {400, 300, small},
                                                     {1201, 53, small},
                                                     {1200, 1230, small},
                                                     {99, 61, make_preprocessing(37, 24)},
                                                     {97, 61, make_preprocessing(37, 37)}}) {
    for (const PixelFormat format : {PixelFormat::NV12, PixelFormat::UYVY, PixelFormat::Y444}) {
      Frame frame = make_noise(format, width, height, 7);
      set_variant(frame.image, width % 40);
      const Difference found = from_exact(frame.image, preprocessing);
      EXPECT_LE(found.most, 1) << describe(frame.image);
      EXPECT_LT(std::abs(found.mean), 0.05) << describe(frame.image);
    }
  }
}

TEST(YuvReducer, SlopesFlatsAndBarsAreWithinAStep) {
  for (const PixelFormat format : reducible_formats()) {
    for (int variant = 0; variant < 40; variant += 3) {
      // 80×80 to 40×40 has many halves to round.
      Frame frame = variant % 2 == 0 ? make_frame(format, 162, 91, 1) : make_frame(format, 80, 80, 1);
      set_variant(frame.image, variant);
      const auto expect_near = [&](const Frame& picture, const char* what) {
        EXPECT_LE(from_exact(picture.image, make_preprocessing(40, 34)).most, 1)
            << what << " " << describe(picture.image);
      };
      expect_near(fill(frame, [](std::size_t plane, std::size_t x,
                                 std::size_t y) { return x * (plane + 1) / 2 + y; }),
                  "slopes");
      expect_near(fill(frame, [](std::size_t plane, std::size_t x,
                                 std::size_t y) { return (x / 10 + y / 15 * 3 + plane) % 4 * 85; }),
                  "bars");
      for (const unsigned value : {0U, 1U, 16U, 127U, 128U, 129U, 235U, 254U, 255U}) {
        expect_near(fill(frame, [&](std::size_t plane, std::size_t,
                                    std::size_t) { return plane == 0 ? value : 128 + 37 * value; }),
                    "flat");
      }
    }
  }
}

TEST(YuvReducer, EveryVectorUnitGivesTheSameBits) {
  for (const PixelFormat format : reducible_formats()) {
    int variant = 0;
    for (const auto& [width, height] :
         {std::pair{147, 101}, {46, 400}, {401, 47}, {1900, 90}, {128, 128}, {320, 250}}) {
      for (const std::uint64_t seed : {2U, 3U}) {
        Frame frame = make_frame(format, width, height, seed, {variant % 3, variant % 2 != 0});
        set_variant(frame.image, variant++);
        const Preprocessing preprocessing = make_preprocessing(40, 32 + variant % 8);
        const Bytes expected = reduce(frame.image, preprocessing, VectorUnit::none);
        for (int unit = 1; unit <= static_cast<int>(best_vector_unit()); ++unit) {
          EXPECT_EQ(reduce(frame.image, preprocessing, static_cast<VectorUnit>(unit)), expected)
              << describe(frame.image) << " with unit " << unit;
        }
      }
    }
  }
}

// Memory in which no byte before or behind is to be touched.
class Enclosed {
 public:
  Enclosed(const Bytes& bytes, bool at_end) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t whole = (bytes.size() + page - 1) / page * page;
    size_ = whole + 2 * page;
    memory_ = static_cast<std::uint8_t*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    data_ = memory_ + page + (at_end ? whole - bytes.size() : 0);
    std::ranges::copy(bytes, data_);
    EXPECT_EQ(mprotect(memory_, page, PROT_NONE), 0);
    EXPECT_EQ(mprotect(memory_ + page + whole, page, PROT_NONE), 0);
  }
  ~Enclosed() { munmap(memory_, size_); }
  Enclosed(const Enclosed&) = delete;
  Enclosed& operator=(const Enclosed&) = delete;

  std::uint8_t* data() const { return data_; }

 private:
  std::size_t size_ = 0;
  std::uint8_t *memory_ = nullptr, *data_ = nullptr;
};

TEST(YuvReducer, ReadsNothingButThePicture) {
  for (const PixelFormat format : reducible_formats()) {
    for (int width = 64; width < 130; width += 3) {
      for (const bool at_end : {false, true}) {
        Frame frame = make_frame(format, width, 50 + width % 2, 8);
        frame.image.siting.horizontal_cosited = width % 2 != 0;
        const Preprocessing preprocessing = make_preprocessing(40, 40);
        const Bytes expected = reduce(frame.image, preprocessing);
        std::vector<std::unique_ptr<Enclosed>> planes;
        for (std::size_t plane = 0; plane < 3 && !frame.memory[plane].empty(); ++plane) {
          planes.push_back(std::make_unique<Enclosed>(frame.memory[plane], at_end));
          frame.image.planes[plane].data = planes.back()->data();
        }
        for (int unit = 0; unit <= static_cast<int>(best_vector_unit()); ++unit)
          EXPECT_EQ(reduce(frame.image, preprocessing, static_cast<VectorUnit>(unit)), expected);
      }
    }
  }
}

TEST(YuvReducer, IsWhatThePreprocessorUsesWhereItServes) {
  const Preprocessing preprocessing = make_preprocessing(40, 32);
  Preprocessor reused(preprocessing, TensorType::u8, TensorLayout::hwc);
  Preprocessing bicubic = preprocessing;
  bicubic.interpolation = Interpolation::bicubic;
  for (const PixelFormat format : yuv_formats()) {
    const Frame frame = make_frame(format, 101, 80, 4);
    const std::vector<PixelFormat> reducible = reducible_formats();
    const bool fast = std::ranges::find(reducible, format) != reducible.end();
    const Bytes exact = preprocess(view(to_rgb(frame.image)), preprocessing);
    Bytes result(exact.size());
    reused.run(frame.image, result.data());  // after another format of that size
    EXPECT_EQ(result, fast ? reduce(frame.image, preprocessing) : exact) << name(format);
    EXPECT_EQ(result == exact, !fast) << name(format);
    EXPECT_EQ(preprocess(frame.image, bicubic), preprocess(view(to_rgb(frame.image)), bicubic));
  }
  // As large, larger in a direction, or much smaller: nothing is gained.
  for (const auto& [width, height] : {std::pair{40, 40}, {36, 90}, {42, 42}, {1400, 1360}}) {
    const Frame frame = make_frame(PixelFormat::I420, width, height, 4);
    EXPECT_EQ(preprocess(frame.image, preprocessing), preprocess(view(to_rgb(frame.image)), preprocessing))
        << width << "×" << height;
  }
}

}  // namespace
}  // namespace resnet
