#ifndef RESNET_TRAINING_CLASSIFIER_OPTIONS_H
#define RESNET_TRAINING_CLASSIFIER_OPTIONS_H

#include <CLI/CLI.hpp>

#include "training/classifier.h"

namespace resnet {

/// The options that evaluate and predict share.
inline void add_classifier_options(CLI::App& command, ClassifierOptions& options) {
  command.add_option("--model,-m", options.model, "Model file: .pth or .safetensors")->required();
  command.add_option("--labels-file", options.labels_file,
                     "class_indices.json or .txt with a label a line, to use instead of the model's classes");
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  command
      .add_option("--precision", options.precision, "auto: the fastest that the machine computes in hardware")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "fp16", "int8"}))
      ->capture_default_str();
  command.add_option("--threads", options.threads, "Threads of the network; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--batch-size", options.batch_size, "Pictures at a time")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command.add_flag("--flip-average", options.flip_average, "Mean of a picture and its mirror image");
}

}  // namespace resnet

#endif
