#include "model/preprocess.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "model/error.h"
#include "model/resample.h"
#include "model/yuv.h"

namespace resnet {

/// Everything that depends on the geometry, and the scratch rows; rebuilt when a picture of another size
/// comes.
struct Preprocessor::Tables {
  Preprocessing preprocessing;
  TensorType type;
  TensorLayout layout;
  int width = 0, height = 0;
  Coefficients columns, rows;
  int first_column = 0, last_column = 0, first_row = 0, last_row = 0;  // of the source, the last exclusive
  std::vector<std::uint8_t> source_row;                                // converted to RGB
  std::vector<std::uint8_t> narrowed;                    // source rows, already narrowed to the crop's width
  std::vector<std::int32_t> sums;                        // one output row
  std::array<std::array<std::uint32_t, 256>, 3> values;  // network input by channel and pixel, as bits

  void build(const Image& image);
  void narrow(const Image& image);
  template <typename Element>
  void finish(Element* out);
};

namespace {

template <typename Element>
std::uint32_t bits_of(float value) {
  const Element element = static_cast<Element>(value);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &element, sizeof element);
  return bits;
}

std::uint32_t input_bits(TensorType type, float value, std::size_t pixel) {
  switch (type) {
    case TensorType::fp32:
      return bits_of<float>(value);
    case TensorType::fp16:
      return bits_of<c10::Half>(value);
    case TensorType::bf16:
      return bits_of<c10::BFloat16>(value);
    case TensorType::u8:
      break;
  }
  return static_cast<std::uint32_t>(pixel);
}

// One output row of the horizontal pass: the taps of each output lie side by side.
void narrow_row(const std::uint8_t* row, const Coefficients& c, int first_column, std::uint8_t* to) {
  for (std::size_t x = 0; x < c.first.size(); ++x, to += 3) {
    const std::int32_t* weight = &c.weights[x * static_cast<std::size_t>(c.taps)];
    const std::uint8_t* from = row + std::ptrdiff_t{3} * (c.first[x] - first_column);
    std::int32_t red = 1 << (coefficient_bits - 1), green = red, blue = red;
    for (int k = 0; k < c.count[x]; ++k, from += 3) {
      red += from[0] * weight[k];
      green += from[1] * weight[k];
      blue += from[2] * weight[k];
    }
    to[0] = clip_coefficient_sum(red);
    to[1] = clip_coefficient_sum(green);
    to[2] = clip_coefficient_sum(blue);
  }
}

}  // namespace

void Preprocessor::Tables::build(const Image& image) {
  if (image.width == width && image.height == height) return;
  check_image(image);
  const Geometry g = make_geometry(image.width, image.height, preprocessing);
  const int crop = preprocessing.crop_size;
  columns = make_coefficients(image.width, 0, image.width, g.width, g.left, g.left + crop,
                              preprocessing.interpolation);
  rows = make_coefficients(image.height, 0, image.height, g.height, g.top, g.top + crop,
                           preprocessing.interpolation);
  first_column = columns.first.front();
  last_column = columns.first.back() + columns.count.back();
  first_row = rows.first.front();
  last_row = rows.first.back() + rows.count.back();
  source_row.resize(static_cast<std::size_t>(last_column - first_column) * 3);
  narrowed.resize(static_cast<std::size_t>(last_row - first_row) * static_cast<std::size_t>(crop) * 3);
  sums.resize(static_cast<std::size_t>(crop) * 3);
  width = image.width;
  height = image.height;
}

void Preprocessor::Tables::narrow(const Image& image) {
  const std::size_t row_bytes = static_cast<std::size_t>(preprocessing.crop_size) * 3;
  std::uint8_t* to = narrowed.data();
  for (int y = first_row; y < last_row; ++y, to += row_bytes) {
    const std::uint8_t* row = source_row.data();
    if (image.format == PixelFormat::RGB) {
      row = image.planes[0].data + y * image.planes[0].stride + std::ptrdiff_t{3} * first_column;
    } else {
      convert_row(image, y, first_column, last_column, source_row.data());
    }
    narrow_row(row, columns, first_column, to);
  }
}

template <typename Element>
void Preprocessor::Tables::finish(Element* out) {
  const auto crop = static_cast<std::size_t>(preprocessing.crop_size);
  const std::size_t row_bytes = crop * 3;
  const std::size_t pixel_step = layout == TensorLayout::hwc ? 3 : 1;
  const std::size_t channel_step = layout == TensorLayout::hwc ? 1 : crop * crop;
  for (std::size_t y = 0; y < crop; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (coefficient_bits - 1));
    for (int k = 0; k < rows.count[y]; ++k) {
      const std::uint8_t* row =
          narrowed.data() + static_cast<std::size_t>(rows.first[y] + k - first_row) * row_bytes;
      const std::int32_t weight =
          rows.weights[y * static_cast<std::size_t>(rows.taps) + static_cast<std::size_t>(k)];
      for (std::size_t i = 0; i < row_bytes; ++i) sums[i] += row[i] * weight;
    }
    for (std::size_t x = 0; x < crop; ++x) {
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const std::uint8_t pixel = clip_coefficient_sum(sums[x * 3 + channel]);
        std::memcpy(out + (y * crop + x) * pixel_step + channel * channel_step, &values[channel][pixel],
                    sizeof(Element));
      }
    }
  }
}

Preprocessor::Preprocessor(const Preprocessing& preprocessing, TensorType type, TensorLayout layout)
    : tables_(std::make_unique<Tables>()) {
  if (preprocessing.crop_size < 1 || preprocessing.crop_size > preprocessing.resize_size ||
      preprocessing.resize_size > 4096) {
    throw Error(ErrorCode::unsupported, "a crop of " + std::to_string(preprocessing.crop_size) +
                                            " after a resize to " +
                                            std::to_string(preprocessing.resize_size) +
                                            " is not possible; expected 1 ≤ crop ≤ resize ≤ 4096");
  }
  tables_->preprocessing = preprocessing;
  tables_->type = type;
  tables_->layout = layout;
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t pixel = 0; pixel < 256; ++pixel) {
      const float value =
          (static_cast<float>(pixel) / 255.0f - preprocessing.mean[channel]) / preprocessing.std[channel];
      tables_->values[channel][pixel] = input_bits(type, value, pixel);
    }
  }
}

Preprocessor::~Preprocessor() = default;
Preprocessor::Preprocessor(Preprocessor&&) noexcept = default;
Preprocessor& Preprocessor::operator=(Preprocessor&&) noexcept = default;

void Preprocessor::run(const Image& image, void* out) {
  tables_->build(image);
  tables_->narrow(image);
  switch (tables_->type) {
    case TensorType::u8:
      tables_->finish(static_cast<std::uint8_t*>(out));
      break;
    case TensorType::fp16:
    case TensorType::bf16:
      tables_->finish(static_cast<std::uint16_t*>(out));
      break;
    case TensorType::fp32:
      tables_->finish(static_cast<std::uint32_t*>(out));
      break;
  }
}

}  // namespace resnet
