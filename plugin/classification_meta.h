#ifndef RESNET_PLUGIN_CLASSIFICATION_META_H
#define RESNET_PLUGIN_CLASSIFICATION_META_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "caption/caption.h"

namespace resnet {

struct ClassScore {
  int id = 0;  ///< index in the model
  std::string label;
  double probability = 0;

  bool operator==(const ClassScore&) const = default;
};

/// The content of a GstResnetClassificationMeta (see gstresnetmeta.h).
struct Classification {
  std::string model, digest, stream;
  std::uint64_t age = 0;
  bool drawn = false;
  std::vector<ClassScore> scores{};       ///< best first
  bool has_classes = true;                ///< false: it is not about classes
  std::shared_ptr<GstBuffer> features{};  ///< native-endian 32-bit floats; null: none

  bool operator==(const Classification&) const = default;
};

/// The text with what is not UTF-8 replaced: GStreamer refuses other strings, and a file's name may be
/// anything.
std::string valid_utf8(const std::string& text);

/// The floats of a buffer of features. @throws std::runtime_error when its memory cannot be read
std::vector<float> read_features(GstBuffer* features);

/// Sets and reads the arrays `label-ids`, `labels` and `probabilities`.
void set_scores(GstStructure* structure, const std::vector<ClassScore>& scores);
std::vector<ClassScore> read_scores(const GstStructure* structure);

/// Registers the meta once; every element of the plugin calls it.
void register_classification_meta();

/// Adds the meta, in the place of one of the same stream; the buffer must be writable. Text that is not UTF-8
/// is made so.
void add_classification_meta(GstBuffer* buffer, const Classification& classification);

/// What the buffer carries, in the order in which elements added it.
std::vector<Classification> read_classification_metas(GstBuffer* buffer);

/// The first of it, or nothing.
std::optional<Classification> read_classification_meta(GstBuffer* buffer);

/// The number of classes of each result that the frame shows already.
void read_drawn(GstBuffer* buffer, std::vector<std::size_t>& sizes);

/// Notes on a writable buffer that its classes are drawn, so that nobody draws them again.
void mark_classification_drawn(GstBuffer* buffer);

/// The lines that an overlay draws for it, into those that are there.
void caption_lines(const Classification& classification, std::vector<CaptionLine>& lines);

}  // namespace resnet

#endif
