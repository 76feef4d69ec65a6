#include <algorithm>
#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "model/error.h"
#include "model/yuv.h"
#include "tests/model/frames.h"

namespace resnet {
namespace {

// The definition in plain floating point, written apart from the library's.
class ExactYuv {
 public:
  explicit ExactYuv(const Image& image) : image_(image) {}

  std::array<double, 3> pixel(int x, int y) const {
    constexpr std::array<std::array<double, 2>, 5> k{
        {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}, {0.212, 0.087}, {0.30, 0.11}}};
    const auto [kr, kb] = k.at(static_cast<std::size_t>(image_.matrix));
    const bool gray = image_.format == PixelFormat::GRAY8;
    const double luma = scaled(luma_sample(x, y), 16, 219);
    const double cb = gray ? 0 : scaled(chroma(0, x, y), 128, 224);
    const double cr = gray ? 0 : scaled(chroma(1, x, y), 128, 224);
    const double red = luma + 2 * (1 - kr) * cr, blue = luma + 2 * (1 - kb) * cb;
    const double green = (luma - kr * red - kb * blue) / (1 - kr - kb);
    return {std::clamp(red * 255, 0.0, 255.0), std::clamp(green * 255, 0.0, 255.0),
            std::clamp(blue * 255, 0.0, 255.0)};
  }

 private:
  bool is_any_of(std::initializer_list<PixelFormat> formats) const {
    return std::ranges::find(formats, image_.format) != formats.end();
  }
  int unit() const {
    return is_any_of({PixelFormat::P010_10LE, PixelFormat::I420_10LE, PixelFormat::I422_10LE}) ? 4 : 1;
  }
  // A value of 8 or more bits that is `zero` of 8 without light or colour, and of such a range.
  double scaled(double value, int zero, double range) const {
    if (image_.full_range) return (value - (zero == 16 ? 0 : zero * unit())) / (256 * unit() - 1);
    return (value - zero * unit()) / (range * unit());
  }
  double at(int plane, int x, int y) const {
    const Plane& p = image_.planes[static_cast<std::size_t>(plane)];
    if (unit() == 1) return p.data[y * p.stride + x];
    const int word = p.data[y * p.stride + 2 * x] + 256 * p.data[y * p.stride + 2 * x + 1];
    return image_.format == PixelFormat::P010_10LE ? word / 64 : word % 1024;
  }
  double luma_sample(int x, int y) const {
    if (image_.format == PixelFormat::YUY2) return at(0, 2 * x, y);
    return image_.format == PixelFormat::UYVY ? at(0, 2 * x + 1, y) : at(0, x, y);
  }
  double sample(int which, int i, int j) const {
    switch (image_.format) {
      case PixelFormat::NV12:
      case PixelFormat::P010_10LE:
        return at(1, 2 * i + which, j);
      case PixelFormat::NV21:
        return at(1, 2 * i + 1 - which, j);
      case PixelFormat::YV12:
        return at(2 - which, i, j);
      case PixelFormat::YUY2:
        return at(0, 4 * i + 1 + 2 * which, j);
      case PixelFormat::UYVY:
        return at(0, 4 * i + 2 * which, j);
      default:
        return at(1 + which, i, j);
    }
  }
  double chroma(int which, int x, int y) const {
    const bool all_columns = image_.format == PixelFormat::Y444;
    const bool all_rows = is_any_of(
        {PixelFormat::Y444, PixelFormat::Y42B, PixelFormat::YUY2, PixelFormat::UYVY, PixelFormat::I422_10LE});
    const double u = all_columns ? x : image_.siting.horizontal_cosited ? x / 2.0 : (x - 0.5) / 2;
    const double v = all_rows ? y : image_.siting.vertical_cosited ? y / 2.0 : (y - 0.5) / 2;
    const int columns = all_columns ? image_.width : (image_.width + 1) / 2;
    const int rows = all_rows ? image_.height : (image_.height + 1) / 2;
    const int i = static_cast<int>(std::floor(u)), j = static_cast<int>(std::floor(v));
    const auto near = [&](int column, int row) {
      return sample(which, std::clamp(column, 0, columns - 1), std::clamp(row, 0, rows - 1));
    };
    const double a = u - i, b = v - j;
    return (1 - b) * ((1 - a) * near(i, j) + a * near(i + 1, j)) +
           b * ((1 - a) * near(i, j + 1) + a * near(i + 1, j + 1));
  }

  const Image& image_;
};

// Columns begin…end−1 of a row, which RowConverter gives as planes.
std::vector<std::uint8_t> converted_row(RowConverter& converter, const PixelSource& source, int y, int begin,
                                        int end) {
  const auto count = static_cast<std::size_t>(end - begin);
  std::vector<std::uint8_t> planes(3 * count), pixels(3 * count);
  converter.convert(source, y, begin, end, planes.data());
  for (std::size_t i = 0; i < planes.size(); ++i) pixels[i] = planes[i % 3 * count + i / 3];
  return pixels;
}

void expect_near_exact(const Image& image) {
  const RgbPicture rgb = to_rgb(image);
  const ExactYuv exact(image);
  const PixelSource source = make_pixel_source(image);
  RowConverter converter;
  double worst = 0;
  std::size_t i = 0;
  for (int y = 0; y < image.height; ++y) {
    const std::vector<std::uint8_t> row = converted_row(converter, source, y, 0, image.width);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), rgb.pixels.begin() + static_cast<std::ptrdiff_t>(i)))
        << "rows and single pixels differ: " << name(image.format);
    for (int x = 0; x < image.width; ++x) {
      for (const double expected : exact.pixel(x, y))
        worst = std::max(worst, std::abs(rgb.pixels[i++] - expected));
    }
  }
  EXPECT_LT(worst, 0.505) << name(image.format) << " " << image.width << "×" << image.height;
}

TEST(Yuv, EveryMatrixRangeAndSitingIsRoundedFromTheExactValue) {
  for (const PixelFormat format : yuv_formats()) {
    for (int variant = 0; variant < 40; ++variant) {
      Frame frame = make_frame(format, 37, 23, static_cast<std::uint64_t>(variant + 1));
      frame.image.matrix = static_cast<YuvMatrix>(variant % 5);
      frame.image.full_range = (variant / 5) % 2 != 0;
      frame.image.siting = {(variant / 10) % 2 != 0, (variant / 20) % 2 != 0};
      expect_near_exact(frame.image);
    }
  }
}

TEST(Yuv, OddAndTinySizes) {
  for (const PixelFormat format : yuv_formats()) {
    for (int width = 1; width < 8; ++width) {
      for (int height = 1; height < 6; ++height) {
        Frame frame = make_frame(format, width, height, 4);
        for (int siting = 0; siting < 4; ++siting) {
          frame.image.siting = {siting % 2 != 0, siting / 2 != 0};
          expect_near_exact(frame.image);
        }
      }
    }
  }
}

TEST(Yuv, AnyColumnsOfARowEqualThoseOfTheWholeRow) {
  for (const PixelFormat format : yuv_formats()) {
    const Frame frame = make_frame(format, 21, 5, 8, {7, true});
    const RgbPicture whole = to_rgb(frame.image);
    const PixelSource source = make_pixel_source(frame.image);
    RowConverter converter;
    for (int begin = 0; begin < 21; ++begin) {
      for (int end = begin + 1; end <= 21; ++end) {
        const auto part = converted_row(converter, source, 3, begin, end);
        EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.pixels.begin() + 3 * (3 * 21 + begin)))
            << name(format) << " " << begin << "…" << end;
      }
    }
  }
}

TEST(Yuv, PackedFormatsPutEachChannelInItsPlace) {
  const std::array<std::uint8_t, 4> pixel{10, 20, 30, 40};
  const auto converted = [&](PixelFormat format) {
    Image image;
    image.format = format;
    image.width = image.height = 1;
    image.planes[0] = {pixel.data(), 4};
    return to_rgb(image).pixels;
  };
  using Rgb = std::vector<std::uint8_t>;
  for (const auto format : {PixelFormat::RGB, PixelFormat::RGBx, PixelFormat::RGBA})
    EXPECT_EQ(converted(format), (Rgb{10, 20, 30}));
  for (const auto format : {PixelFormat::BGR, PixelFormat::BGRx, PixelFormat::BGRA})
    EXPECT_EQ(converted(format), (Rgb{30, 20, 10}));
  for (const auto format : {PixelFormat::xRGB, PixelFormat::ARGB})
    EXPECT_EQ(converted(format), (Rgb{20, 30, 40}));
  for (const auto format : {PixelFormat::xBGR, PixelFormat::ABGR})
    EXPECT_EQ(converted(format), (Rgb{40, 30, 20}));
}

TEST(Yuv, BadPicturesAreErrors) {
  const auto refused = [](Image image) {
    try {
      to_rgb(image);
    } catch (const Error& error) {
      return error.code() == ErrorCode::unsupported;
    }
    return false;
  };
  const Image good = make_rgb_frame(4, 4, 1).image;
  for (const int side : {0, -1, 32769}) {
    Image wide = good, high = good;
    wide.width = side;
    high.height = side;
    EXPECT_TRUE(refused(wide)) << side;
    EXPECT_TRUE(refused(high)) << side;
  }
  Image overlapping = good, empty = good;
  overlapping.planes[0].stride = 11;
  EXPECT_TRUE(refused(overlapping));
  empty.planes[0].data = nullptr;
  EXPECT_TRUE(refused(empty));
  Frame planar = make_frame(PixelFormat::I420, 4, 4, 1);
  planar.image.planes[2].data = nullptr;
  EXPECT_TRUE(refused(planar.image));
}

}  // namespace
}  // namespace resnet
