#ifndef RESNET_MODEL_PREPROCESS_H
#define RESNET_MODEL_PREPROCESS_H

#include <cstdint>
#include <memory>
#include <vector>

#include "model/image.h"
#include "model/preprocessing.h"

namespace resnet {

struct ResamplePlan;  // model/resample.h

/// Element type and order of the network's input for one picture.
enum class TensorType : std::uint8_t { u8, fp32, fp16, bf16 };
enum class TensorLayout : std::uint8_t { chw, hwc };

/// Pixels to network input: Resize, CenterCrop and normalisation, computing only what the crop keeps. RGB
/// gives Pillow's pixels; so does the RGB of other formats, but for one 8-bit step where YuvReducer serves.
/// An object serves one geometry (format, width, height, colorimetry) at a time and rebuilds its
/// tables when a picture of another geometry comes; not thread-safe.
class Preprocessor {
 public:
  Preprocessor(const Preprocessing& preprocessing, TensorType type, TensorLayout layout);
  ~Preprocessor();
  Preprocessor(Preprocessor&&) noexcept;
  Preprocessor& operator=(Preprocessor&&) noexcept;

  /// Another one of the same settings.
  Preprocessor another() const;
  /// Whether its tables are those of such a picture, so that run() need not build them.
  bool is_ready_for(const Image& image) const;

  /// Writes 3·crop·crop elements to `out`: (pixel/255 − mean)/std, or the plain pixel for u8.
  /// @throws Error unsupported for sizes below 1×1 or above 32768 on a side
  void run(const Image& image, void* out);
  /// Rows first…end−1 of that alone: others make the rest, perhaps at the same time.
  void run_rows(const Image& image, void* out, std::size_t first, std::size_t end);

  /// How such a picture becomes the crop, for who does it elsewhere (model/packed_picture.h). Valid until a
  /// picture of another geometry comes.
  /// @throws Error as run()
  const ResamplePlan& plan(const Image& image);

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

/// An RGB picture, three bytes a pixel, rows without padding.
struct RgbPicture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
};

/// A rectangle of the source in pixels; need not be whole (Pillow's `box`).
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
};

/// Pillow's `Image.resize((width, height), filter, box)` for an RGB image, bit for bit.
RgbPicture resize(const Image& rgb, int width, int height, Interpolation interpolation, const Box& box);

}  // namespace resnet

#endif
