#ifndef RESNET_TRAINING_ONNX_EXPORT_H
#define RESNET_TRAINING_ONNX_EXPORT_H

#include <filesystem>

#include "model/model_info.h"
#include "model/resnet_fwd.h"

namespace resnet {

/// Writes a network as ONNX of opset 13, which ONNX Runtime, OpenVINO and TensorRT read; batch norms are
/// folded into the convolutions (see model/lowering.h). Its input "input" [batch, 3, height, width] is fp32
/// RGB in 0…1, normalised with info's mean and std: what torchvision's transforms give. All but the 3 may be
/// anything. Its output is "logits" [batch, classes]: the activation is the reader's; of a network without
/// head "features" [batch, features]. Each part of info's JSON is an entry of metadata_props under its name,
/// "classes", "preprocessing" and "activation" among them. Temporary file, fsync, rename.
/// @throws Error write; unsupported for a build without ONNX and for more than 2 GB, which is what an ONNX
/// file holds: before any is allocated
void write_onnx(const std::filesystem::path& path, const ResNet& network, ModelInfo info);

}  // namespace resnet

#endif
