#ifndef RESNET_TRAINING_PICTURE_BATCHES_H
#define RESNET_TRAINING_PICTURE_BATCHES_H

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/preprocessing.h"
#include "training/console.h"

namespace resnet {

/// The pictures of these indices, one each along the first dimension.
using OnBatch = std::function<void(const std::vector<std::size_t>& indices, at::Tensor& pictures)>;
using OnFailure = std::function<void(std::size_t index, const std::string& why)>;

/// Reads picture files in worker threads, batch by batch, into `input` (as Executor::make_input made it, or
/// bytes [n, 3, crop, crop]), with a progress bar; each picture goes, in order, to one of the two functions.
/// @return false when Ctrl-C ended it early
bool for_each_batch(const std::vector<std::filesystem::path>& pictures, const Preprocessing& preprocessing,
                    at::Tensor& input, const std::string& title, Console& console, const OnBatch& on_batch,
                    const OnFailure& on_failure);

}  // namespace resnet

#endif
