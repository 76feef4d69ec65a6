#include "model/preprocess.h"

#include <algorithm>

#include "model/error.h"
#include "model/resample.h"
#include "model/rgb_rows.h"
#include "model/vectorise.h"
#include "model/yuv.h"

namespace resnet {

namespace {

// sums += row · weight
RESNET_VECTORISE void add_row(const std::uint8_t* row, std::int32_t weight, std::size_t count,
                              std::int32_t* __restrict sums) {
  for (std::size_t i = 0; i < count; ++i) sums[i] += row[i] * weight;
}

RESNET_VECTORISE void clip_row(const std::int32_t* sums, std::size_t count, std::uint8_t* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = clip_coefficient_sum(sums[i]);
}

template <typename Element>
void store_row(const std::uint8_t* row, std::size_t crop, TensorLayout layout, Orientation orientation,
               const ValueTable& values, std::size_t y, Element* out) {
  const bool interleaved = layout == TensorLayout::hwc;
  const auto side = static_cast<std::ptrdiff_t>(crop), line = static_cast<std::ptrdiff_t>(y);
  const std::ptrdiff_t pixel = interleaved ? 3 : 1;
  const std::size_t channel_step = interleaved ? 1 : crop * crop;
  const std::ptrdiff_t first = upright(orientation, 0, line, side);
  const std::ptrdiff_t step = (upright(orientation, 1, line, side) - first) * pixel;
  out += first * pixel;
  for (std::size_t x = 0; x < crop; ++x, out += step) {
    for (unsigned c = 0; c < 3; ++c)
      out[c * channel_step] = normalize<Element>(values.data(), row[3 * x + c], c);
  }
}

}  // namespace

/// What depends on the size of the picture, rebuilt when that changes, and scratch memory.
struct Preprocessor::Tables {
  Preprocessing preprocessing;
  TensorType type = TensorType::fp32;
  TensorLayout layout = TensorLayout::chw;
  ValueTable values{};
  int width = 0, height = 0;
  double pixel_aspect = 1;
  ResamplePlan plan;
  RowNarrower narrower;  // of the plan's columns
  RowConverter converter;
  std::vector<std::uint8_t> source_rows;  // converted to RGB: one, or all that a vertical-first pass needs
  std::vector<std::uint8_t> between;      // narrowed source rows
  std::vector<std::int32_t> sums;
  std::vector<std::uint8_t> shortened,
      row;  // an output row before and after the horizontal pass of vertical-first

  void build(const Image& image);
  const std::uint8_t* source_row(const PixelSource& source, int y, std::uint8_t* scratch);
  void sum_rows(const std::uint8_t* rows, std::size_t row_bytes, std::ptrdiff_t stride, std::size_t y,
                std::uint8_t* to);
  void prepare(const PixelSource& source);
  void make_row(std::size_t y, std::uint8_t* to);
};

void Preprocessor::Tables::build(const Image& image) {
  if (image.width == width && image.height == height && image.pixel_aspect == pixel_aspect) return;
  width = height = 0;  // should memory run out below
  plan = make_resample_plan(image.width, image.height, image.pixel_aspect, preprocessing);
  narrower = RowNarrower(plan.columns);
  const auto columns = static_cast<std::size_t>(plan.columns.end() - plan.columns.begin());
  const auto crop = static_cast<std::size_t>(preprocessing.crop_size);
  row.resize(crop * 3);
  if (plan.job.vertical_first) {
    sums.resize(columns * 3);
    shortened.resize(columns * 3);
  } else {
    source_rows.resize(columns * 3);
    between.resize(static_cast<std::size_t>(plan.job.between_height) * crop * 3);
    sums.resize(crop * 3);
  }
  width = image.width;
  height = image.height;
  pixel_aspect = image.pixel_aspect;
}

// The needed columns of source row y as RGB: the picture's own memory, or `scratch`.
const std::uint8_t* Preprocessor::Tables::source_row(const PixelSource& source, int y,
                                                     std::uint8_t* scratch) {
  const int begin = plan.columns.begin();
  const bool is_rgb = source.kind == PixelKind::packed && source.luma_step == 3 && source.red == 0;
  if (is_rgb) return source.luma + y * source.luma_stride + std::ptrdiff_t{3} * begin;
  converter.convert(source, y, begin, plan.columns.end(), scratch);
  return scratch;
}

// The vertical pass of output row y; `rows` is where source row rows.begin() lies.
void Preprocessor::Tables::sum_rows(const std::uint8_t* rows, std::size_t row_bytes, std::ptrdiff_t stride,
                                    std::size_t y, std::uint8_t* to) {
  std::fill_n(sums.begin(), row_bytes, coefficient_half);
  const std::int32_t* weights = &plan.rows.weights[y * static_cast<std::size_t>(plan.rows.taps)];
  const std::int32_t first = plan.rows.first[y] - plan.rows.begin();
  for (std::int32_t k = 0; k < plan.rows.count[y]; ++k) {
    add_row(rows + (first + k) * stride, weights[k], row_bytes, sums.data());
  }
  clip_row(sums.data(), row_bytes, to);
}

// What must be there before the first output row is made.
void Preprocessor::Tables::prepare(const PixelSource& source) {
  const int begin = plan.rows.begin(), end = plan.rows.end();
  if (!plan.job.vertical_first) {
    std::uint8_t* to = between.data();
    for (int y = begin; y < end; ++y, to += row.size()) {
      narrower.run(source_row(source, y, source_rows.data()), to);
    }
    return;
  }
  const std::size_t row_bytes = shortened.size();
  source_rows.resize(row_bytes * static_cast<std::size_t>(end - begin));
  std::uint8_t* to = source_rows.data();
  for (int y = begin; y < end; ++y, to += row_bytes) {
    const std::uint8_t* from = source_row(source, y, to);
    if (from != to) std::copy_n(from, row_bytes, to);
  }
}

// The pixels of output row y.
void Preprocessor::Tables::make_row(std::size_t y, std::uint8_t* to) {
  if (!plan.job.vertical_first) {
    sum_rows(between.data(), row.size(), static_cast<std::ptrdiff_t>(row.size()), y, to);
    return;
  }
  sum_rows(source_rows.data(), shortened.size(), static_cast<std::ptrdiff_t>(shortened.size()), y,
           shortened.data());
  narrower.run(shortened.data(), to);
}

Preprocessor::Preprocessor(const Preprocessing& preprocessing, TensorType type, TensorLayout layout)
    : tables_(std::make_unique<Tables>()) {
  check_preprocessing(preprocessing);
  tables_->preprocessing = preprocessing;
  tables_->type = type;
  tables_->layout = layout;
  tables_->values = make_value_table(preprocessing, type);
}

Preprocessor::~Preprocessor() = default;
Preprocessor::Preprocessor(Preprocessor&&) noexcept = default;
Preprocessor& Preprocessor::operator=(Preprocessor&&) noexcept = default;

const ResamplePlan& Preprocessor::plan(const Image& image) {
  make_pixel_source(image);  // says what is wrong with it
  tables_->build(image);
  return tables_->plan;
}

void Preprocessor::run(const Image& image, void* out) {
  Tables& t = *tables_;
  const PixelSource source = make_pixel_source(image);
  t.build(image);
  t.prepare(source);
  const auto crop = static_cast<std::size_t>(t.preprocessing.crop_size);
  const bool plain = t.type == TensorType::u8 && t.layout == TensorLayout::hwc &&
                     image.orientation == Orientation::identity;
  for (std::size_t y = 0; y < crop; ++y) {
    if (plain) {
      t.make_row(y, static_cast<std::uint8_t*>(out) + y * t.row.size());
      continue;
    }
    t.make_row(y, t.row.data());
    switch (t.type) {
      case TensorType::u8:
        store_row(t.row.data(), crop, t.layout, image.orientation, t.values, y,
                  static_cast<std::uint8_t*>(out));
        break;
      case TensorType::fp16:
      case TensorType::bf16:
        store_row(t.row.data(), crop, t.layout, image.orientation, t.values, y,
                  static_cast<std::uint16_t*>(out));
        break;
      case TensorType::fp32:
        store_row(t.row.data(), crop, t.layout, image.orientation, t.values, y,
                  static_cast<std::uint32_t*>(out));
        break;
    }
  }
}

}  // namespace resnet
