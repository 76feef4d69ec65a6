#include "training/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <unordered_set>

#include "model/error.h"
#include "model/file_io.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 32;  // a link that leads back up must end somewhere
constexpr std::uint64_t kMaxHashedBytes = std::uint64_t{1} << 30;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with("."); }

void require_folder(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) {
    throw Error(ErrorCode::not_found, "folder " + folder.string() + " does not exist");
  }
  if (!fs::is_directory(folder, error)) {
    throw Error(ErrorCode::read,
                folder.string() + " is not a folder; expected one with a sub-folder per class");
  }
}

/// FNV-1a over the file's bytes, mixed so that the low and high bits are equally good.
std::uint64_t hash_file(const fs::path& path) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  const FileBytes bytes = read_file(path, kMaxHashedBytes);
  for (const std::uint8_t byte : bytes.span()) {
    hash = (hash ^ byte) * 0x100000001B3U;
  }
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDU;
  return hash ^ (hash >> 33);
}

/// A tenth of each class goes from `folder` to val: the files with the smallest hashes.
TrainingData split(ImageFolder folder) {
  std::vector<std::vector<std::uint64_t>> by_class(folder.classes.size());
  std::vector<std::uint64_t> hashes;
  hashes.reserve(folder.samples.size());
  for (const Sample& sample : folder.samples) {
    hashes.push_back(hash_file(sample.path));
    by_class[static_cast<std::size_t>(sample.label)].push_back(hashes.back());
  }
  std::unordered_set<std::uint64_t> chosen;
  for (auto& values : by_class) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    const std::size_t count = values.size() < 2 ? 0 : std::max<std::size_t>(1, (values.size() + 5) / 10);
    chosen.insert(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
  }
  TrainingData data;
  data.classes = std::move(folder.classes);
  data.not_pictures = std::move(folder.not_pictures);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    (chosen.contains(hashes[i]) ? data.val : data.train).push_back(std::move(folder.samples[i]));
  }
  return data;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

bool has_picture_ending(const fs::path& path) {
  static constexpr std::array<const char*, 9> kEndings{".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                       ".pgm", ".tif",  ".tiff", ".webp"};
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

std::vector<fs::path> list_pictures(const fs::path& folder, std::vector<fs::path>& not_pictures) {
  require_folder(folder);
  std::vector<fs::path> pictures;
  std::vector<fs::path> others;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    const bool is_folder = entry->is_directory(ignored);
    if (is_hidden(entry->path()) || entry.depth() >= kMaxDepth) {
      if (is_folder) {
        entry.disable_recursion_pending();
      }
    } else if (!is_folder) {
      (has_picture_ending(entry->path()) ? pictures : others).push_back(entry->path());
    }
  }
  if (error) {
    throw Error(ErrorCode::read, "folder " + folder.string() + " cannot be read: " + error.message());
  }
  const auto plainly = [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); };
  std::sort(pictures.begin(), pictures.end(), plainly);
  std::sort(others.begin(), others.end(), plainly);
  not_pictures.insert(not_pictures.end(), others.begin(), others.end());
  return pictures;
}

ImageFolder scan_image_folder(const fs::path& root) {
  require_folder(root);
  ImageFolder result;
  std::error_code error;
  fs::directory_iterator entry(root, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored) && !is_hidden(entry->path())) {
      result.classes.push_back(entry->path().filename().string());
    }
  }
  if (error) {
    throw Error(ErrorCode::read, "folder " + root.string() + " cannot be read: " + error.message());
  }
  if (result.classes.empty()) {
    throw Error(
        ErrorCode::format,
        "folder " + root.string() + " holds no class folders; expected one sub-folder of pictures per class");
  }
  std::sort(result.classes.begin(), result.classes.end());
  for (std::size_t label = 0; label < result.classes.size(); ++label) {
    const fs::path folder = root / result.classes[label];
    const std::vector<fs::path> pictures = list_pictures(folder, result.not_pictures);
    if (pictures.empty()) {
      throw Error(ErrorCode::format,
                  "class folder " + folder.string() + " holds no picture; add some or remove the folder");
    }
    for (const fs::path& path : pictures) {
      result.samples.push_back({path, static_cast<int>(label)});
    }
  }
  return result;
}

TrainingData open_training_data(const fs::path& root) {
  require_folder(root);
  TrainingData data;
  if (fs::is_directory(root / "train") && fs::is_directory(root / "val")) {
    ImageFolder train = scan_image_folder(root / "train");
    ImageFolder val = scan_image_folder(root / "val");
    if (train.classes != val.classes) {
      throw Error(ErrorCode::mismatch, root.string() + ": train/ has the classes " + joined(train.classes) +
                                           " and val/ has " + joined(val.classes) + "; expected the same");
    }
    data.classes = std::move(train.classes);
    data.train = std::move(train.samples);
    data.val = std::move(val.samples);
    data.not_pictures = std::move(train.not_pictures);
    data.not_pictures.insert(data.not_pictures.end(), val.not_pictures.begin(), val.not_pictures.end());
  } else {
    ImageFolder folder = scan_image_folder(root);
    if (folder.classes.size() >= 2) {  // with one class, the error below is the better one
      data = split(std::move(folder));
    } else {
      data.classes = std::move(folder.classes);
    }
  }
  if (data.classes.size() < 2) {
    throw Error(ErrorCode::format,
                root.string() + " has one class (" + joined(data.classes) + "); training needs at least two");
  }
  if (data.train.empty() || data.val.empty()) {
    throw Error(ErrorCode::format, root.string() + " leaves no picture to " +
                                       (data.train.empty() ? "train on" : "validate with"));
  }
  return data;
}

}  // namespace resnet
