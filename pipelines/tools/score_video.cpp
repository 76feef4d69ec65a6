// score-video: how much of a rendered video got its right label.
//
//   score-video results.jsonl flowers.csv        what resnetjson wrote; what render-video wrote

#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace {

struct Stretch {
  double start = 0, end = 0;  // seconds
  std::string label;
};

std::ifstream open(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) throw std::runtime_error("cannot read " + path);
  return stream;
}

std::vector<Stretch> read_truth(const std::string& path) {
  std::ifstream stream = open(path);
  std::string line;
  std::getline(stream, line);  // the header
  std::vector<Stretch> result;
  while (std::getline(stream, line)) {
    const std::size_t first = line.find(',');
    const std::size_t second = line.find(',', first + 1);
    if (second == std::string::npos)
      throw std::runtime_error(path + ": expected start,end,class in \"" + line + "\"");
    result.push_back({std::stod(line.substr(0, first)), std::stod(line.substr(first + 1, second - first - 1)),
                      line.substr(second + 1)});
  }
  return result;
}

const std::string* true_label(const std::vector<Stretch>& truth, double seconds) {
  for (const Stretch& stretch : truth) {
    if (seconds >= stretch.start && seconds < stretch.end) return &stretch.label;
  }
  return nullptr;
}

struct Count {
  int right = 0, all = 0;
};

void score(const std::string& results_path, const std::string& truth_path) {
  const std::vector<Stretch> truth = read_truth(truth_path);
  std::ifstream stream = open(results_path);
  std::map<std::string, Count> classes;
  Count total;
  std::string line;
  while (std::getline(stream, line)) {
    const nlohmann::json frame = nlohmann::json::parse(line);
    if (!frame.contains("pts") || !frame["pts"].is_number()) continue;
    const std::string* expected = true_label(truth, frame["pts"].get<double>() / 1e9);
    if (expected == nullptr) continue;
    const auto& found = frame.at("classes");
    const bool right = !found.empty() && found[0].at("label") == *expected;
    for (Count* count : {&classes[*expected], &total}) {
      count->right += right ? 1 : 0;
      ++count->all;
    }
  }
  if (total.all == 0) throw std::runtime_error(results_path + " has no frame that " + truth_path + " knows");
  for (const auto& [label, count] : classes) {
    std::printf("  %-12s %4d of %4d frames (%5.1f %%)\n", label.c_str(), count.right, count.all,
                100.0 * count.right / count.all);
  }
  std::printf("  %-12s %4d of %4d frames (%5.1f %%)\n", "all", total.right, total.all,
              100.0 * total.right / total.all);
}

}  // namespace

int main(int argc, char** argv) {
  std::string results;
  std::string truth;
  CLI::App app{"Compares the labels that resnetjson wrote with the truth that render-video wrote."};
  app.add_option("RESULTS", results, "JSON lines")->required()->check(CLI::ExistingFile);
  app.add_option("TRUTH", truth, "CSV: start,end,class")->required()->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);
  try {
    score(results, truth);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "score-video: %s\n", error.what());
    return 1;
  }
  return 0;
}
