// Runs that are stopped at any moment and started again.
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include <sched.h>
#include <sys/mount.h>

#include "model/checkpoint.h"
#include "tests/training/command_fixture.h"
#include "training/event_file.h"

namespace resnet {
namespace {

using namespace std::chrono_literals;

/// Everything at once, saved many times within an epoch.
Arguments settings() {
  return kSmallNet + Arguments{"--preset",       "scratch", "--epochs",  "12",      "--norm-batch", "4",
                               "--threads",      "2",       "--ema",     "0.9",     "--sam",        "0.05",
                               "--save-minutes", "0.001",   "--balance", "sampling"};
}

class Resume : public Command {
 protected:
  /// Starts the command again and again, each time killed after some random time, until it is through.
  /// @param check of what each kill leaves
  /// @return how often it was killed
  static int run_with_kills(const Arguments& command, const TemporaryFolder& folder, unsigned seed,
                            const std::function<void()>& check) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> milliseconds(300, 1200);
    for (int kills = 0; kills < 100; ++kills) {
      const pid_t child = start(command, folder / "out", folder / "err");
      // Ever later: a busy machine may take a second to start.
      const auto end = std::chrono::steady_clock::now() + (milliseconds(random) + 20 * kills) * 1ms;
      while (std::chrono::steady_clock::now() < end) {
        int status = 0;
        if (waitpid(child, &status, WNOHANG) == child) {
          EXPECT_EQ(status, 0) << read_text(folder / "err");
          return kills;
        }
        std::this_thread::sleep_for(5ms);
      }
      kill(child, SIGKILL);
      wait_for(child);
      check();
    }
    ADD_FAILURE() << "it never got through";
    return 100;
  }

  /// What a run of model.pth writes into its folder: each file that is there is whole. Who is killed after
  /// its last file is through, so that the next is another run and sets the files aside.
  /// @return their names, without the numbers that those set aside have
  static std::set<std::string> expect_whole(const fs::path& folder) {
    SCOPED_TRACE(folder);
    std::set<std::string> names;
    if (!fs::exists(folder)) return names;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = without_number(entry.path().filename());
      if (name.starts_with(".tmp-")) continue;  // who is killed cannot remove it
      names.insert(name);
      if (name == "tensorboard") {
        for (const auto& file : fs::recursive_directory_iterator(entry)) {
          if (file.is_regular_file()) expect_records(read_text(file.path()));
        }
      } else if (name == "metrics.csv") {
        expect_rows(read_text(entry.path()));
      } else if (name.ends_with(".json")) {
        EXPECT_TRUE(nlohmann::json::accept(read_text(entry.path()))) << name;
      } else if (name == "report.html") {
        EXPECT_TRUE(read_text(entry.path()).ends_with("</html>\n"));
      } else {
        EXPECT_NO_THROW(read_checkpoint(entry.path())) << name;
      }
    }
    return names;
  }

 private:
  /// metrics.csv of metrics.1.csv
  static std::string without_number(const fs::path& name) {
    const std::string number = name.stem().extension();
    const bool is_number =
        number.size() > 1 && number.find_first_not_of("0123456789", 1) == std::string::npos;
    return is_number ? name.stem().stem().string() + name.extension().string() : name.string();
  }
  static void expect_rows(const std::string& csv) {
    const auto commas =
        std::count(csv.begin(), csv.begin() + static_cast<std::ptrdiff_t>(csv.find('\n')), ',');
    EXPECT_TRUE(csv.ends_with('\n'));
    EXPECT_GT(commas, 3);
    EXPECT_EQ(std::count(csv.begin(), csv.end(), ','), commas * std::count(csv.begin(), csv.end(), '\n'));
  }
  /// The last may be cut off; readers pass over it.
  static void expect_records(std::string_view bytes) {
    constexpr std::size_t around = 16;  // length, its CRC and that of the data
    int records = 0;
    for (std::uint64_t size = 0; bytes.size() >= sizeof(size); ++records) {
      std::memcpy(&size, bytes.data(), sizeof(size));
      if (bytes.size() < around || size > bytes.size() - around) break;
      const std::string_view record = bytes.substr(0, around + size);
      ASSERT_EQ(tfrecord(record.substr(12, size)), record) << "record " << records;
      bytes.remove_prefix(record.size());
    }
    EXPECT_LT(bytes.size(), 200U) << "more than one record is not whole";
  }
};

TEST_F(Resume, ARunThatIsKilledAtAnyMomentGivesTheSameBits) {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole/model.pth").string();
  const std::string parts = (folder / "parts/model.pth").string();
  // Long enough not to be through before it is killed, on any machine.
  const Arguments long_run = settings() + Arguments{"--epochs", "150"};
  ASSERT_EQ(run(Arguments{"train", data(), "--output", whole} + long_run).code, 0);
  std::set<std::string> seen;
  const auto check = [&] { seen.merge(expect_whole(folder / "parts")); };
  EXPECT_GT(run_with_kills(Arguments{"train", data(), "--output", parts} + long_run, folder, 1, check), 0);
  seen.erase("report.html");  // the run's last, seldom seen
  EXPECT_EQ(seen, (std::set<std::string>{"class_indices.json", "metrics.csv", "model.last.safetensors",
                                         "model.pth", "recipe.json", "tensorboard"}));
  EXPECT_EQ(digest(parts), digest(whole));
  EXPECT_FALSE(fs::exists(folder / "parts/model.last.safetensors"));
}

// Whatever the optimiser: none has a state before the first step.
TEST_F(Resume, ARunThatIsStoppedAtOnceGoesOn) {
  const TemporaryFolder folder;
  for (const std::string optimizer : {"adam", "adamw", "sgd"}) {
    const std::string output = (folder / (optimizer + "/model.pth")).string();
    const Arguments command =
        Arguments{"train", data(), "--output", output, "--optimizer", optimizer, "--minutes", "0.05"} +
        kSmallNet;
    const pid_t child = start(command, folder / "out", folder / "err");
    for (int i = 0; i < 3000 && !contains(read_text(folder / "err"), "measuring"); ++i)
      std::this_thread::sleep_for(2ms);
    kill(child, SIGINT);
    wait_for(child);
    const Result result = run(command);
    EXPECT_EQ(result.code, 0) << optimizer << ": " << result.err;
  }
}

TEST_F(Resume, PicturesMayHaveChangedMeanwhile) {
  const TemporaryFolder folder;
  fs::copy(data(), folder / "data", fs::copy_options::recursive);
  const std::string output = (folder / "out/model.pth").string();
  const Arguments command = Arguments{"train", (folder / "data").string(), "--output", output} + kSmallNet +
                            Arguments{"--epochs", "400", "--save-minutes", "0.001"};
  const pid_t child = start(command, folder / "stdout", folder / "stderr");
  for (int i = 0; i < 3000 && !fs::exists(folder / "out/metrics.csv"); ++i) std::this_thread::sleep_for(10ms);
  kill(child, SIGKILL);
  wait_for(child);
  int removed = 0;
  for (const std::string part : {"train", "val"}) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder / "data" / part))
      if (entry.is_regular_file()) files.push_back(entry.path());
    for (std::size_t i = 0; i + 1 < files.size(); i += 2, ++removed) fs::remove(files[i]);
  }
  ASSERT_GT(removed, 4);
  const Result result = run(command + Arguments{"--epochs", "5", "--patience", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "the pictures differ from those that")) << result.err;
}

TEST_F(Resume, TheRecipeThatWasTakenIsWrittenAndGivesTheSameAgain) {
  const TemporaryFolder folder;
  const std::string first = (folder / "first/model.pth").string();
  const std::string again = (folder / "again/model.pth").string();
  const Arguments network{"--layers", "1,1,1,1", "--width", "8"};
  ASSERT_EQ(run(Arguments{"train", data(), "--output", first} + settings()).code, 0);
  const std::string recipe = (folder / "first/recipe.json").string();
  EXPECT_EQ(nlohmann::json::parse(read_text(recipe)).at("ema"), 0.9);
  ASSERT_EQ(run(Arguments{"train", data(), "--output", again, "--recipe", recipe} + network).code, 0);
  EXPECT_EQ(digest(again), digest(first));
  expect_error({"train", data(), "--output", again, "--recipe", data()}, "is a folder");
}

TEST_F(Resume, ATimeBudgetDecidesHowManyEpochsThereAre) {
  const TemporaryFolder folder;
  const std::string output = (folder / "out/model.pth").string();
  const Result result =
      run(Arguments{"train", data(), "--output", output} + kSmallNet + Arguments{"--minutes", "0.05"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "0.05 minutes are enough for ")) << result.err;
  const std::string csv = read_text(folder / "out/metrics.csv");
  const auto rows = std::count(csv.begin(), csv.end(), '\n') - 1;
  EXPECT_GT(rows, 3);  // what kSmallNet says
  EXPECT_EQ(nlohmann::json::parse(read_text(folder / "out/recipe.json")).at("epochs"), rows);
}

TEST_F(Resume, PatienceEndsARunThatGetsNoBetter) {
  const TemporaryFolder folder;
  const Result result = run(Arguments{"train", data(), "--output", (folder / "model.pth").string()} +
                            kSmallNet + Arguments{"--epochs", "500", "--lr", "0", "--patience", "2"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string csv = read_text(folder / "metrics.csv");
  EXPECT_LT(std::count(csv.begin(), csv.end(), '\n'), 30);
}

TEST_F(Resume, AFolderThatVanishesIsAnErrorAndTheLastGoodFileStays) {
  const TemporaryFolder folder;
  const fs::path output = folder / "out/model.pth";
  const pid_t child = start(
      Arguments{"train", data(), "--output", output.string()} + kSmallNet + Arguments{"--epochs", "2000"},
      folder / "stdout", folder / "stderr");
  for (int i = 0; i < 3000 && !fs::exists(folder / "out/metrics.csv"); ++i) std::this_thread::sleep_for(10ms);
  fs::rename(folder / "out", folder / "moved");
  EXPECT_EQ(wait_for(child), 1);
  const std::string error = read_text(folder / "stderr");
  EXPECT_TRUE(contains(error, "resnet: error: ")) << error;
  EXPECT_TRUE(contains(error, (folder / "out").string())) << error;
  EXPECT_EQ(run({"inspect", (folder / "moved/model.pth").string()}).code, 0);
}

/// A disk of 16 MB that only this program sees.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& folder) : folder_(folder) {
    fs::create_directories(folder);
    works_ = unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
             mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=16m") == 0;
  }
  ~SmallDisk() {
    if (works_) umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool works() const { return works_; }
  void fill() const {
    std::ofstream file(folder_ / "filler", std::ios::binary);
    const std::string some(4096, 'x');
    while (file.write(some.data(), 4096).flush()) {
    }
  }

 private:
  fs::path folder_;
  bool works_;
};

TEST_F(Resume, AFullDiskIsAnErrorAndTheLastGoodFilesStay) {
  const TemporaryFolder folder;
  const SmallDisk disk(folder / "out");
  if (!disk.works()) GTEST_SKIP() << "only root can mount a small disk";
  const std::string output = (folder / "out/model.pth").string();
  const Arguments command = Arguments{"train", data(), "--output", output} + kSmallNet;
  const pid_t child = start(command + Arguments{"--epochs", "2000"}, folder / "stdout", folder / "stderr");
  for (int i = 0; i < 3000 && !fs::exists(folder / "out/metrics.csv"); ++i) std::this_thread::sleep_for(10ms);
  disk.fill();
  EXPECT_EQ(wait_for(child), 1);
  const std::string error = read_text(folder / "stderr");
  EXPECT_TRUE(contains(error, "No space left on device")) << error;
  EXPECT_EQ(run({"inspect", output}).code, 0);
  EXPECT_EQ(run({"inspect", (folder / "out/model.last.safetensors").string()}).code, 0);
  // With room again the run goes on from there.
  fs::remove(folder / "out/filler");
  const auto epochs = std::count(error.begin(), error.end(), '[');
  EXPECT_EQ(run(command + Arguments{"--epochs", std::to_string(epochs + 2)}).code, 0);
}

}  // namespace
}  // namespace resnet
