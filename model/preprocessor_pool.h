#ifndef RESNET_MODEL_PREPROCESSOR_POOL_H
#define RESNET_MODEL_PREPROCESSOR_POOL_H

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "model/preprocess.h"

namespace resnet {

/// Preprocessors of the same settings, for streams of pictures that several threads convert. One that has the
/// tables for a picture is found again, so that there are few, and these in caches. For any thread.
class PreprocessorPool {
 public:
  /// @param pattern has the settings; it is not used itself
  explicit PreprocessorPool(Preprocessor pattern) : pattern_(std::move(pattern)) {}

  /// Keeps no more than so many streams need: two for each, and what works at the same time.
  void serve(std::size_t streams);

  /// One that is ready for the picture, where there is one, for who gives it back unless it fails.
  Preprocessor take(const Image& image);
  void give_back(Preprocessor preprocessor);

  /// How many wait to be taken.
  std::size_t size() const;

 private:
  const Preprocessor pattern_;
  mutable std::mutex mutex_;  // guards what follows
  std::size_t most_ = 2;
  std::vector<Preprocessor> free_;  // the one that was used last behind
};

}  // namespace resnet

#endif
