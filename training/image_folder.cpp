#include "training/image_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include "model/error.h"
#include "model/file_io.h"
#include "model/quote.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

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

/// FNV-1a over the file's bytes, mixed so that the low and high bits are equally good. Nothing: it cannot be
/// read.
std::optional<std::uint64_t> hash_file(const fs::path& path) try {
  std::uint64_t hash = 0xCBF29CE484222325U;
  const FileBytes bytes = read_file(path, kMaxHashedBytes);
  for (const std::uint8_t byte : bytes.span()) {
    hash = (hash ^ byte) * 0x100000001B3U;
  }
  hash = (hash ^ (hash >> 33)) * 0xFF51AFD7ED558CCDU;
  return hash ^ (hash >> 33);
} catch (const Error&) {
  return std::nullopt;
}

/// Moves a part of each class out of `samples`: the files with the smallest hashes. What cannot be read
/// stays: whoever reads the pictures says so.
std::vector<Sample> take_part(std::vector<Sample>& samples, std::size_t classes, double part) {
  std::vector<std::vector<std::uint64_t>> by_class(classes);
  std::vector<std::optional<std::uint64_t>> hashes;
  hashes.reserve(samples.size());
  for (const Sample& sample : samples) {
    const std::optional<std::uint64_t>& hash = hashes.emplace_back(hash_file(sample.path));
    if (hash) by_class[static_cast<std::size_t>(sample.label)].push_back(*hash);
  }
  std::unordered_set<std::uint64_t> chosen;
  for (auto& values : by_class) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    const auto wanted = std::lround(static_cast<double>(values.size()) * part);
    const std::ptrdiff_t count = values.size() < 2 ? 0 : std::max(1L, wanted);
    chosen.insert(values.begin(), values.begin() + count);
  }
  std::vector<Sample> taken, rest;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const std::optional<std::uint64_t>& hash = hashes[i];
    (hash && chosen.contains(*hash) ? taken : rest).push_back(std::move(samples[i]));
  }
  samples = std::move(rest);
  return taken;
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
  std::vector<fs::path> around{fs::weakly_canonical(folder, error)};  // the folders that an entry lies in
  fs::recursive_directory_iterator entry(folder, fs::directory_options::follow_directory_symlink, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      around.resize(static_cast<std::size_t>(entry.depth()) + 1);
      const fs::path real = fs::weakly_canonical(entry->path(), ignored);
      // A link that leads back up would never end.
      const bool loops = std::find(around.begin(), around.end(), real) != around.end();
      if (loops || is_hidden(entry->path())) entry.disable_recursion_pending();
      around.push_back(real);
    } else if (!is_hidden(entry->path())) {
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

std::vector<std::string> list_classes(const fs::path& root) {
  require_folder(root);
  std::vector<std::string> classes;
  std::error_code error;
  fs::directory_iterator entry(root, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored) && !is_hidden(entry->path())) {
      classes.push_back(entry->path().filename().string());
    }
  }
  if (error) {
    throw Error(ErrorCode::read, "folder " + root.string() + " cannot be read: " + error.message());
  }
  std::sort(classes.begin(), classes.end());
  return classes;
}

ImageFolder scan_image_folder(const fs::path& root) {
  ImageFolder result;
  result.classes = list_classes(root);
  if (result.classes.empty()) {
    throw Error(
        ErrorCode::format,
        "folder " + root.string() + " holds no class folders; expected one sub-folder of pictures per class");
  }
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

namespace {

bool holds_pictures(const fs::path& folder) {
  std::error_code ignored;
  const fs::directory_iterator entries(folder, ignored);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    std::error_code unused;
    return has_picture_ending(entry.path()) && !entry.is_directory(unused);
  });
}

/// The model file and class_indices.json could not hold others, which would be known after an epoch only.
void check_class_names(const fs::path& root, const std::vector<std::string>& classes) {
  for (const std::string& name : classes) {
    if (!is_plain_utf8(name)) {
      throw Error(ErrorCode::format, root.string() + " has a class folder " + quote(name) +
                                         ", whose name is no UTF-8 or has control characters; rename it");
    }
  }
}

/// One of the folders train, val and test.
std::vector<Sample> scan_part(const fs::path& root, const char* part, TrainingData& data) {
  ImageFolder folder = scan_image_folder(root / part);
  if (data.classes.empty()) data.classes = folder.classes;
  if (folder.classes != data.classes) {
    throw Error(ErrorCode::mismatch, root.string() + ": train/ has the classes " + joined(data.classes) +
                                         " and " + part + "/ has " + joined(folder.classes) +
                                         "; expected the same");
  }
  data.not_pictures.insert(data.not_pictures.end(), folder.not_pictures.begin(), folder.not_pictures.end());
  return std::move(folder.samples);
}

}  // namespace

std::optional<fs::path> validation_folder(const fs::path& root) {
  if (!fs::is_directory(root / "train")) return std::nullopt;
  for (const char* name : {"val", "valid", "validation"}) {
    if (fs::is_directory(root / name)) return root / name;
  }
  // "train" may be a class, as cars and buses are; its pictures then lie in it.
  if (list_classes(root / "train").size() < 2 || holds_pictures(root / "train")) return std::nullopt;
  throw Error(ErrorCode::format,
              root.string() +
                  " has train/ and nothing to validate with; expected val/ beside it, or one "
                  "sub-folder of pictures per class");
}

TrainingData open_training_data(const fs::path& root, double hold_out) {
  require_folder(root);
  TrainingData data;
  if (const std::optional<fs::path> val = validation_folder(root)) {
    data.train = scan_part(root, "train", data);
    data.val = scan_part(root, val->filename().c_str(), data);
    if (fs::is_directory(root / "test")) data.test = scan_part(root, "test", data);
  } else {
    ImageFolder folder = scan_image_folder(root);
    data.classes = std::move(folder.classes);
    data.not_pictures = std::move(folder.not_pictures);
    data.train = std::move(folder.samples);
    // With one class, the error below is the better one.
    if (data.classes.size() >= 2) data.val = take_part(data.train, data.classes.size(), 0.1);
  }
  if (hold_out > 0) {
    if (!data.test.empty()) {
      throw Error(ErrorCode::unsupported,
                  root.string() + " has a folder test/ already, so there is no need of --hold-out");
    }
    data.test = std::exchange(data.val, take_part(data.train, data.classes.size(), hold_out));
  }
  check_class_names(root, data.classes);
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
