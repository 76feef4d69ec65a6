#include "model/preprocess.h"

#include <array>
#include <optional>

#include "model/error.h"
#include "model/resample.h"
#include "model/row_narrower.h"
#include "model/vectorise.h"
#include "model/yuv.h"
#include "model/yuv_reducer.h"

namespace resnet {

namespace {

constexpr int rows_ahead = 4;  // that are fetched

// Of `count` rows, weighted, so many columns that their sums stay in registers.
template <std::size_t columns>
[[gnu::always_inline]] inline void weigh_columns(const std::uint8_t* rows, std::ptrdiff_t stride,
                                                 const std::int32_t* weights, std::int32_t count,
                                                 std::uint8_t* __restrict out) {
  std::array<std::int32_t, columns> sums;
  sums.fill(coefficient_half);
  for (std::int32_t k = 0; k < count; ++k, rows += stride) {
    for (std::size_t i = 0; i < columns; ++i) sums[i] += rows[i] * weights[k];
  }
  for (std::size_t i = 0; i < columns; ++i) out[i] = clip_coefficient_sum(sums[i]);
}

RESNET_VECTORISE void weigh_rows(const std::uint8_t* rows, std::ptrdiff_t stride, const std::int32_t* weights,
                                 std::int32_t count, std::size_t columns, std::uint8_t* __restrict out) {
  constexpr std::size_t block = 16;
  std::size_t at = 0;
  for (; at + block <= columns; at += block)
    weigh_columns<block>(rows + at, stride, weights, count, out + at);
  for (; at < columns; ++at) weigh_columns<1>(rows + at, stride, weights, count, out + at);
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
  ChannelLayout channels;  // of what the first pass reads
  bool reducible = false;  // of YuvReducer's kind
  ResamplePlan plan;
  std::optional<YuvReducer> reducer;  // does all of it, where it can; what follows does the rest
  RowNarrower narrower;               // of the plan's columns
  RowConverter converter;
  std::vector<std::uint8_t> source_rows;  // converted to RGB: one, or all that a vertical-first pass needs
  std::vector<std::uint8_t> between;      // narrowed source rows
  std::vector<std::uint8_t> shortened,
      row;  // an output row before and after the horizontal pass of vertical-first

  bool are_of(const Image& image, const PixelSource& source) const;
  void build(const Image& image, const PixelSource& source);
  void make_passes();
  Plane needed_pixels(const PixelSource& source) const;
  void sum_rows(const Plane& rows, std::size_t row_bytes, std::size_t y, std::uint8_t* to);
  void prepare(const PixelSource& source, std::size_t first, std::size_t end);
  void make_row(const PixelSource& source, std::size_t y, std::uint8_t* to);
};

namespace {

// Packed pixels are read where they are; others are converted to planes.
ChannelLayout channel_layout(const PixelSource& source) {
  if (source.kind != PixelKind::packed) return {1, 0, 0, 0};
  return {source.luma_step, source.red, source.green, source.blue};
}

}  // namespace

bool Preprocessor::Tables::are_of(const Image& image, const PixelSource& source) const {
  return image.width == width && image.height == height && image.pixel_aspect == pixel_aspect &&
         channel_layout(source) == channels && YuvReducer::serves(source, preprocessing) == reducible;
}

void Preprocessor::Tables::build(const Image& image, const PixelSource& source) {
  if (are_of(image, source)) return;
  width = height = 0;  // should memory run out below
  channels = channel_layout(source);
  reducible = YuvReducer::serves(source, preprocessing);
  plan = make_resample_plan(image.width, image.height, image.pixel_aspect, preprocessing);
  const auto crop = static_cast<std::size_t>(preprocessing.crop_size);
  row.resize(crop * 3);
  reducer.reset();
  if (reducible && YuvReducer::serves(plan)) {
    reducer.emplace(plan);
  } else {
    make_passes();
  }
  width = image.width;
  height = image.height;
  pixel_aspect = image.pixel_aspect;
}

void Preprocessor::Tables::make_passes() {
  narrower = RowNarrower(plan.columns, channels);
  const std::size_t source_bytes =
      channels.row_bytes(static_cast<std::size_t>(plan.columns.end() - plan.columns.begin()));
  if (plan.job.vertical_first) {
    const auto rows = static_cast<std::size_t>(plan.rows.end() - plan.rows.begin());
    if (channels.is_planar()) source_rows.resize(source_bytes * rows);
    shortened.resize(source_bytes);
  } else {
    if (channels.is_planar()) source_rows.resize(source_bytes);
    between.resize(static_cast<std::size_t>(plan.job.between_height) * row.size());
  }
}

// The columns that the crop needs, from its first row on: in the picture's own memory, or what is converted.
Plane Preprocessor::Tables::needed_pixels(const PixelSource& source) const {
  if (!channels.is_planar()) {
    const std::ptrdiff_t left = std::ptrdiff_t{source.luma_step} * plan.columns.begin();
    return {source.luma + plan.rows.begin() * source.luma_stride + left, source.luma_stride};
  }
  // Horizontal first, each row is converted where the one before was.
  return {source_rows.data(),
          plan.job.vertical_first ? static_cast<std::ptrdiff_t>(shortened.size()) : std::ptrdiff_t{0}};
}

// The vertical pass of output row y; `rows` begins with source row rows.begin().
void Preprocessor::Tables::sum_rows(const Plane& rows, std::size_t row_bytes, std::size_t y,
                                    std::uint8_t* to) {
  const std::int32_t* weights = &plan.rows.weights[y * static_cast<std::size_t>(plan.rows.taps)];
  const std::int32_t first = plan.rows.first[y] - plan.rows.begin();
  weigh_rows(rows.data + first * rows.stride, rows.stride, weights, plan.rows.count[y], row_bytes, to);
}

// What must be there before output rows first…end−1 are made.
void Preprocessor::Tables::prepare(const PixelSource& source, std::size_t first, std::size_t end) {
  if (reducer) {
    reducer->start(source, first);
    return;
  }
  if (plan.job.vertical_first && !channels.is_planar()) return;
  const Plane pixels = needed_pixels(source);
  const int top = plan.rows.begin(), start = plan.rows.first[first];
  const int stop = plan.rows.first[end - 1] + plan.rows.count[end - 1];
  std::uint8_t* to = between.data() + static_cast<std::size_t>(start - top) * row.size();
  for (int y = start; y < stop; ++y) {
    const std::ptrdiff_t at = (y - top) * pixels.stride;
    if (channels.is_planar())
      converter.convert(source, y, plan.columns.begin(), plan.columns.end(), source_rows.data() + at);
    if (plan.job.vertical_first) continue;
    // As in YuvRows: rows are too short for processors to see what comes next.
    const bool has_next = !channels.is_planar() && y + rows_ahead < stop;
    narrower.run(pixels.data + at, to, has_next ? pixels.data + at + rows_ahead * pixels.stride : nullptr);
    to += row.size();
  }
}

// The pixels of output row y, the next one.
void Preprocessor::Tables::make_row(const PixelSource& source, std::size_t y, std::uint8_t* to) {
  if (reducer) {
    reducer->next_row(source, to);
    return;
  }
  if (!plan.job.vertical_first) {
    sum_rows({between.data(), static_cast<std::ptrdiff_t>(row.size())}, row.size(), y, to);
    return;
  }
  sum_rows(needed_pixels(source), shortened.size(), y, shortened.data());
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

Preprocessor Preprocessor::another() const {
  return {tables_->preprocessing, tables_->type, tables_->layout};
}

bool Preprocessor::is_ready_for(const Image& image) const {
  return tables_->are_of(image, make_pixel_source(image));
}

const ResamplePlan& Preprocessor::plan(const Image& image) {
  tables_->build(image, make_pixel_source(image));
  return tables_->plan;
}

void Preprocessor::run(const Image& image, void* out) {
  run_rows(image, out, 0, static_cast<std::size_t>(tables_->preprocessing.crop_size));
}

void Preprocessor::run_rows(const Image& image, void* out, std::size_t first, std::size_t end) {
  Tables& t = *tables_;
  const PixelSource source = make_pixel_source(image);
  t.build(image, source);
  if (first >= end) return;
  t.prepare(source, first, end);
  const auto crop = static_cast<std::size_t>(t.preprocessing.crop_size);
  const bool plain =
      t.type == TensorType::u8 && t.layout == TensorLayout::hwc && image.orientation == Orientation::identity;
  for (std::size_t y = first; y < end; ++y) {
    if (plain) {
      t.make_row(source, y, static_cast<std::uint8_t*>(out) + y * t.row.size());
      continue;
    }
    t.make_row(source, y, t.row.data());
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
