#include "model/packed_picture.h"

#include <algorithm>
#include <cstring>

#include "model/pixel_layout.h"
#include "model/yuv.h"

namespace resnet {
namespace {

/// Of one side of a picture, what is packed: from an even pixel on, so that subsampled chroma begins there
/// too, with the chroma samples on both sides that the interpolation mixes in.
struct Range {
  int begin = 0, size = 0;
};

Range packed_range(const Coefficients& side, int picture_size) {
  const int begin = std::max(0, side.begin() / 2 * 2 - 2);
  return {begin, std::min(picture_size, (side.end() + 1) / 2 * 2 + 2) - begin};
}

std::size_t table_words(const Coefficients& side) {
  return side.first.size() + side.count.size() + side.weights.size();
}

/// Copies the tables, for positions that count from `begin`.  @return where they are on the device
Weights pack_tables(const Coefficients& side, int begin, std::uint8_t*& memory, std::uint8_t*& device) {
  auto* words = reinterpret_cast<std::int32_t*>(memory);
  const auto* there = reinterpret_cast<const std::int32_t*>(device);
  const std::size_t outputs = side.first.size();
  std::transform(side.first.begin(), side.first.end(), words,
                 [begin](std::int32_t first) { return first - begin; });
  std::copy(side.count.begin(), side.count.end(), words + outputs);
  std::copy(side.weights.begin(), side.weights.end(), words + 2 * outputs);
  memory += table_words(side) * sizeof(std::int32_t);
  device += table_words(side) * sizeof(std::int32_t);
  return {there, there + outputs, there + 2 * outputs, side.taps};
}

}  // namespace

PackedSize packed_size(const Image& image, const ResamplePlan& plan) {
  const Range columns = packed_range(plan.columns, image.width), rows = packed_range(plan.rows, image.height);
  std::size_t bytes = (table_words(plan.columns) + table_words(plan.rows)) * sizeof(std::int32_t);
  for (std::size_t plane = 0; plane < image.planes.size(); ++plane) {
    const PlaneSize size = plane_size(image.format, columns.size, rows.size, plane);
    bytes += static_cast<std::size_t>(size.row_bytes) * static_cast<std::size_t>(size.rows);
  }
  const auto between = std::ptrdiff_t{3} * plan.job.between_width * plan.job.between_height;
  return {bytes, static_cast<std::size_t>(between)};
}

ResampleJob pack_picture(const Image& image, const ResamplePlan& plan, std::uint8_t* memory,
                         std::uint8_t* device) {
  const Range columns = packed_range(plan.columns, image.width), rows = packed_range(plan.rows, image.height);
  ResampleJob job = plan.job;
  job.columns = pack_tables(plan.columns, columns.begin, memory, device);
  job.rows = pack_tables(plan.rows, rows.begin, memory, device);
  job.first_column -= columns.begin;
  job.first_row -= rows.begin;
  job.orientation = image.orientation;

  Image part = image;
  part.width = columns.size;
  part.height = rows.size;
  for (std::size_t plane = 0; plane < image.planes.size(); ++plane) {
    const PlaneSize size = plane_size(image.format, part.width, part.height, plane);
    if (size.rows == 0) continue;
    const PlaneSize before = plane_size(image.format, columns.begin, rows.begin, plane);
    const Plane& from = image.planes[plane];
    const std::uint8_t* row = from.data + before.rows * from.stride + before.row_bytes;
    part.planes[plane] = {device, size.row_bytes};
    for (int y = 0; y < size.rows; ++y) {
      std::memcpy(memory, row + y * from.stride, static_cast<std::size_t>(size.row_bytes));
      memory += size.row_bytes;
      device += size.row_bytes;
    }
  }
  job.source = make_pixel_source(part);
  job.between = device;
  return job;
}

}  // namespace resnet
