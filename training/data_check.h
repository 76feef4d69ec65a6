#ifndef RESNET_TRAINING_DATA_CHECK_H
#define RESNET_TRAINING_DATA_CHECK_H

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "training/classifier.h"
#include "training/console.h"
#include "training/duplicates.h"

namespace resnet {

struct DataCheckOptions {
  std::filesystem::path folder;
  int min_side = 32;       ///< pixels; a picture with a shorter side is tiny
  int near_distance = 10;  ///< bits, see find_duplicates
};

/// A picture that could be read.
struct CheckedPicture {
  std::filesystem::path path;
  std::size_t split = 0;  ///< index into DataFindings::splits
  std::size_t label = 0;  ///< index into DataFindings::classes
  int width = 0, height = 0;
};

/// A part of the data: train, val or test; the whole folder where it has none, with an empty name.
struct DataSplit {
  std::string name;
  std::vector<std::size_t> counts;  ///< picture files by class, also those that cannot be read
};

struct UnreadablePicture {
  std::filesystem::path path;
  std::string why;  ///< a sentence that names the file
};

/// A picture that a model takes for another class.
struct SuspectLabel {
  std::size_t picture = 0;     ///< index into DataFindings::pictures
  std::size_t predicted = 0;   ///< index into the model's classes
  double probability = 0;      ///< of the predicted class
  double own_probability = 0;  ///< of the class that it is filed under
};

/// What is wrong with a data set, or looks like it.
struct DataFindings {
  std::filesystem::path root;
  std::vector<std::string> classes;  ///< of all splits together
  std::vector<DataSplit> splits;
  std::vector<CheckedPicture> pictures;
  std::vector<UnreadablePicture> unreadable;
  std::vector<std::filesystem::path> not_pictures;  ///< that lie among pictures; hidden ones aside
  std::vector<std::size_t> tiny;                    ///< indices of pictures
  std::vector<DuplicateGroup> duplicates;           ///< members are indices of pictures
  std::vector<std::string> model_classes;           ///< empty: no model was asked
  std::vector<SuspectLabel> suspects;               ///< the worst first

  bool across_classes(const DuplicateGroup& group) const;
  bool across_splits(const DuplicateGroup& group) const;
};

/// The largest class's pictures over those of the smallest; 0 where a class has none.
double imbalance(const DataSplit& split);

/// How many findings spoil a training or make its result untrue: pictures that cannot be read, classes
/// without pictures in a split, pictures in two classes, pictures in two splits.
std::size_t serious_findings(const DataFindings& findings);

/// Reads every picture of a folder as open_training_data lays it out, but goes on where that gives up.
/// @param classifier if there is one, its opinion of the labels is asked: it suspects the pictures whose
/// probability of another class is at least 0.5 and at least the mean that that class's own pictures get, as
/// confident learning does (Northcutt, Jiang and Chuang 2021, JAIR 70). Pictures that it was trained on it
/// may know by heart, wrong labels too.
/// @return nothing when Ctrl-C ended it
/// @throws Error not_found, read; format for a folder with fewer than two classes; mismatch for classes that
/// the classifier does not have
std::optional<DataFindings> check_data(const DataCheckOptions& options, Classifier* classifier,
                                       Console& console);

}  // namespace resnet

#endif
