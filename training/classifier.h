#ifndef RESNET_TRAINING_CLASSIFIER_H
#define RESNET_TRAINING_CLASSIFIER_H

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/model_info.h"
#include "training/console.h"
#include "training/picture_batches.h"

namespace resnet {

struct ClassifierOptions {
  std::filesystem::path model;
  std::filesystem::path labels_file;  ///< empty: what the model file says, or class_indices.json beside it
  std::string device = "auto";        ///< "auto", "cpu", "cuda"
  std::string precision = "auto";     ///< "auto", "fp32", "bf16", "fp16"
  int threads = 0;                    ///< of the network; 0: all cores
  int batch_size = 8;
  bool flip_average = false;  ///< probabilities of the mean logits of a picture and its mirror image
};

/// A model file applied to picture files.
class Classifier {
 public:
  /// Warnings of the model file go to the console.
  /// @throws Error
  Classifier(const ClassifierOptions& options, Console& console);
  ~Classifier();
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  const ModelInfo& info() const;
  /// The classes by index; "0", "1", … when nobody names them.
  const std::vector<std::string>& classes() const;
  bool has_class_names() const;
  /// What computes: "cpu bf16".
  std::string description() const;

  struct Result {
    std::vector<float> logits;         ///< by class, before temperature; with flip_average the mean
    std::vector<float> probabilities;  ///< by class, with the model's temperature
  };
  using OnResult = std::function<void(std::size_t index, const Result& result)>;

  /// Calls one of the two for each picture, in order. @return false when Ctrl-C ended it early.
  bool run(const std::vector<std::filesystem::path>& pictures, const std::string& title,
           const OnResult& on_result, const OnFailure& on_failure);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace resnet

#endif
