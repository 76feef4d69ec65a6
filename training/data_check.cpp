#include "training/data_check.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>
#include <thread>
#include <type_traits>

#include "model/best_classes.h"
#include "model/error.h"
#include "model/file_io.h"
#include "training/class_match.h"
#include "training/image_folder.h"
#include "training/interrupt.h"
#include "training/loader.h"
#include "training/picture.h"
#include "training/progress.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

/// What a worker keeps of a picture.
struct Look {
  int width = 0, height = 0;
  Fingerprint fingerprint;
};
static_assert(std::is_trivially_copyable_v<Look>, "it travels through the Loader as bytes");

std::vector<std::string> split_names(const fs::path& root) {
  const std::optional<fs::path> val = validation_folder(root);
  if (!val) return {""};
  std::vector<std::string> names{"train", val->filename().string()};
  if (fs::is_directory(root / "test")) names.emplace_back("test");
  return names;
}

/// All picture files, with split and label; fills in what the names of files tell.
std::vector<CheckedPicture> scan(const fs::path& root, DataFindings& findings) {
  findings.root = root;
  std::set<std::string> classes;
  for (const std::string& name : split_names(root)) {
    findings.splits.push_back({name, {}});
    for (std::string& label : list_classes(root / name)) classes.insert(std::move(label));
  }
  findings.classes.assign(classes.begin(), classes.end());
  if (findings.classes.size() < 2) {
    throw Error(ErrorCode::format,
                "folder " + root.string() + " holds " +
                    (findings.classes.empty() ? "no class folders" : "one class folder") +
                    "; expected one sub-folder of pictures for each of two or more classes");
  }
  std::vector<CheckedPicture> files;
  for (std::size_t split = 0; split < findings.splits.size(); ++split) {
    for (std::size_t label = 0; label < findings.classes.size(); ++label) {
      const fs::path folder = root / findings.splits[split].name / findings.classes[label];
      std::vector<fs::path> paths;
      if (fs::is_directory(folder)) paths = list_pictures(folder, findings.not_pictures);
      findings.splits[split].counts.push_back(paths.size());
      for (fs::path& path : paths) files.push_back({std::move(path), split, label});
    }
  }
  return files;
}

Look look_at(const fs::path& path) {
  const FileBytes bytes = read_file(path, kMaxPictureBytes);
  const RgbPicture picture = decode_picture(bytes.span(), path.string());
  return {picture.width, picture.height, fingerprint(bytes.span(), picture)};
}

/// Reads the files; the readable ones become findings.pictures.
/// @return their fingerprints, or nothing when Ctrl-C ended it
std::optional<std::vector<Fingerprint>> read_all(std::vector<CheckedPicture> files, DataFindings& findings,
                                                 Console& console) {
  std::vector<std::size_t> order(files.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  LoaderOptions options;
  options.workers = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 8U));
  options.sample_bytes = sizeof(Look);
  Loader loader(batches_of(order, 16), options, [&files]() -> SampleWriter {
    return [&files](std::size_t index, std::uint8_t* out) {
      const Look look = look_at(files[index].path);
      std::memcpy(out, &look, sizeof look);
    };
  });
  ProgressBar bar(console, "check", files.size());
  std::vector<Fingerprint> fingerprints;
  while (const std::optional<Batch> batch = loader.next()) {
    if (interrupted()) return std::nullopt;
    for (const auto& [index, why] : batch->failures) findings.unreadable.push_back({files[index].path, why});
    for (std::size_t i = 0; i < batch->indices.size(); ++i) {
      Look look;
      std::memcpy(&look, &batch->bytes[i * sizeof look], sizeof look);
      CheckedPicture& picture = findings.pictures.emplace_back(files[batch->indices[i]]);
      picture.width = look.width;
      picture.height = look.height;
      fingerprints.push_back(look.fingerprint);
    }
    bar.advance(batch->indices.size() + batch->failures.size());
  }
  return fingerprints;
}

template <typename Member>
bool differ(const DataFindings& findings, const DuplicateGroup& group, Member member) {
  return std::any_of(group.members.begin(), group.members.end(), [&](std::size_t i) {
    return findings.pictures[i].*member != findings.pictures[group.members.front()].*member;
  });
}

/// Fills in what the classifier takes for another class.
/// @param matched by class of the findings, the classifier's class
/// @return false when Ctrl-C ended it
bool find_suspects(DataFindings& findings, Classifier& classifier, const std::vector<std::size_t>& matched) {
  findings.model_classes = classifier.has_class_names() ? classifier.classes() : findings.classes;
  std::vector<fs::path> paths;
  for (const CheckedPicture& picture : findings.pictures) paths.push_back(picture.path);
  std::vector<double> sums(classifier.classes().size());
  std::vector<std::size_t> counts(sums.size());
  const bool finished = classifier.run(
      paths, "classify",
      [&](std::size_t index, const Classifier::Result& result) {
        const std::vector<float>& probabilities = result.probabilities;
        const std::size_t own = matched[findings.pictures[index].label];
        const std::size_t best = best_classes(probabilities, 1).front();
        sums[own] += probabilities[own];
        ++counts[own];
        if (best != own) findings.suspects.push_back({index, best, probabilities[best], probabilities[own]});
      },
      // It was readable a moment ago.
      [](std::size_t, const std::string& why) { throw Error(ErrorCode::read, why); });
  if (!finished) return false;
  std::erase_if(findings.suspects, [&](const SuspectLabel& suspect) {
    const std::size_t i = suspect.predicted;
    const double mean = counts[i] == 0 ? 1 : sums[i] / static_cast<double>(counts[i]);
    // A model that was tried on its own pictures is surer of all of them than any mistake makes it.
    return suspect.probability < std::clamp(mean, 0.5, 0.9);
  });
  std::stable_sort(findings.suspects.begin(), findings.suspects.end(), [](const auto& a, const auto& b) {
    return a.probability - a.own_probability > b.probability - b.own_probability;
  });
  return true;
}

}  // namespace

bool DataFindings::across_classes(const DuplicateGroup& group) const {
  return differ(*this, group, &CheckedPicture::label);
}

bool DataFindings::across_splits(const DuplicateGroup& group) const {
  return differ(*this, group, &CheckedPicture::split);
}

double imbalance(const DataSplit& split) {
  const auto [smallest, largest] = std::minmax_element(split.counts.begin(), split.counts.end());
  return split.counts.empty() || *smallest == 0
             ? 0
             : static_cast<double>(*largest) / static_cast<double>(*smallest);
}

std::size_t serious_findings(const DataFindings& findings) {
  std::size_t count = findings.unreadable.size();
  for (const DataSplit& split : findings.splits) {
    count += static_cast<std::size_t>(std::count(split.counts.begin(), split.counts.end(), 0U));
  }
  for (const DuplicateGroup& group : findings.duplicates) {
    count += findings.across_classes(group) || findings.across_splits(group) ? 1 : 0;
  }
  return count;
}

std::optional<DataFindings> check_data(const DataCheckOptions& options, Classifier* classifier,
                                       Console& console) {
  DataFindings findings;
  std::vector<CheckedPicture> files = scan(options.folder, findings);
  std::vector<std::size_t> matched;
  if (classifier != nullptr) {
    matched = match_classes(findings.classes, options.folder, classifier->info().classes,
                            classifier->classes().size());
  }
  const auto fingerprints = read_all(std::move(files), findings, console);
  if (!fingerprints) return std::nullopt;
  for (std::size_t i = 0; i < findings.pictures.size(); ++i) {
    const CheckedPicture& picture = findings.pictures[i];
    if (std::min(picture.width, picture.height) < options.min_side) findings.tiny.push_back(i);
  }
  findings.duplicates = find_duplicates(*fingerprints, options.near_distance);
  if (classifier != nullptr && !find_suspects(findings, *classifier, matched)) return std::nullopt;
  return findings;
}

}  // namespace resnet
