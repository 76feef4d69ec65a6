// The program `resnet` as a user runs it, on drawn pictures and a network that trains in a second.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <regex>
#include <thread>

#include <ATen/ops/zeros.h>
#include <signal.h>

#include "model/checkpoint.h"
#include "tests/training/command_fixture.h"

namespace resnet {
namespace {

TEST_F(Command, TrainWritesModelClassesAndMetrics) {
  ASSERT_EQ(trained_.code, 0) << trained_.err;
  EXPECT_TRUE(std::regex_search(
      trained_.err, std::regex(R"(\[epoch 1\] train_loss: \d+\.\d{3}  val_accuracy: \d\.\d{3}\n)")))
      << trained_.err;
  EXPECT_FALSE(contains(trained_.err, "train epoch[")) << "bars without a terminal";
  EXPECT_TRUE(std::regex_match(
      trained_.out, std::regex("epoch  train_loss  train_accuracy  val_loss  val_accuracy\n"
                               "( +[123]( +\\d\\.\\d{4}){4}\n){3}"
                               "best val_accuracy: \\d\\.\\d{4} \\(epoch [123]\\) in .*small\\.pth\n")))
      << trained_.out;
  EXPECT_EQ(read_text(*shared_ / "out/class_indices.json"),
            "{\n    \"0\": \"blue\",\n    \"1\": \"red\"\n}\n");
  const std::string csv = read_text(*shared_ / "out/metrics.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4) << csv;
  EXPECT_TRUE(csv.starts_with("epoch,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds,")) << csv;
  EXPECT_TRUE(fs::exists(model()));
  EXPECT_FALSE(fs::exists(*shared_ / "out/small.last.safetensors"));
}

TEST_F(Command, HoldOutKeepsValForATestThatChoosesNothing) {
  const TemporaryFolder folder;
  const std::string file = (folder / "m.pth").string();
  const Result result = run(Arguments{"train", data(), "--output", file, "--hold-out", "0.25"} + kSmallNet);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "18 pictures to train on, 6 to validate with, 8 to test with, 2 classes"))
      << result.err;
  EXPECT_TRUE(std::regex_search(result.out, std::regex("\ntest_accuracy of that network: \\d\\.\\d{4}\n$")))
      << result.out;
  const nlohmann::json inspected = nlohmann::json::parse(run({"inspect", file, "--json"}).out);
  const nlohmann::json& metrics = inspected.at("model").at("metrics");
  EXPECT_EQ(metrics.at("test_pictures"), 8);
  EXPECT_EQ(metrics.at("val_pictures"), 6);
  const Result evaluated = run({"evaluate", "--model", file, data() + "/val", "--json"});
  EXPECT_EQ(metrics.at("test_accuracy"), nlohmann::json::parse(evaluated.out).at("accuracy"));
}

TEST_F(Command, ATerminalGetsBarsWithLossRateAndTimeLeft) {
  const TemporaryFolder folder;
  const std::string text =
      run_in_terminal(Arguments{"train", data(), "--output", (folder / "m.pth").string()} + kSmallNet);
  const std::string bar = R"( 100%\|#{20}\| \d+/\d+ \[\d\d:\d\d<00:00, \d+\.\d pictures/s\])";
  EXPECT_TRUE(std::regex_search(text, std::regex(R"(train epoch\[1/3\] loss:\d\.\d{3}:)" + bar))) << text;
  EXPECT_TRUE(std::regex_search(text, std::regex(R"(valid epoch\[3/3\]:)" + bar))) << text;
  EXPECT_TRUE(contains(text, "\n[epoch 1] train_loss: ")) << "not on a line of its own: " << text;
}

TEST_F(Command, EvaluateAsJson) {
  const Result result = run({"evaluate", "--model", model(), data() + "/val", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json document = nlohmann::json::parse(result.out);
  EXPECT_GE(document["accuracy"].get<double>(), 0.9);
  EXPECT_EQ(document["classes"], (nlohmann::json{"blue", "red"}));
  EXPECT_EQ(document["per_class"].size(), 2U);
  EXPECT_EQ(document["confusion_matrix"].size(), 2U);
  EXPECT_EQ(document["pictures"], 8);
  EXPECT_LT(document["temperature"].get<double>(), 1);  // all right, so it may be surer
  EXPECT_LE(document["calibration"]["ece"].get<double>(), 0.5);
  EXPECT_EQ(document["calibration"]["bins"].size(), 15U);
}

TEST_F(Command, EvaluateTheTenthThatTrainingKeepsOut) {
  const TemporaryFolder folder;
  write_two_colours(folder.path(), 20);
  const Arguments command{"evaluate", "--model", model(), folder.path().string(), "--json"};
  EXPECT_EQ(nlohmann::json::parse(run(command).out).at("pictures"), 40);
  EXPECT_EQ(nlohmann::json::parse(run(command + Arguments{"--held-out"}).out).at("pictures"), 4);
}

TEST_F(Command, WhatTrainingReadsItDoesNotWrite) {
  const TemporaryFolder folder;
  const std::string weights = (folder / "w.pth").string(), recipe = (folder / "recipe.json").string();
  fs::copy(model(), weights);
  write_text(recipe, R"({"preset": "scratch"})");
  expect_error(Arguments{"train", data(), "--weights", weights, "--output", weights}, "--weights");
  expect_error(Arguments{"train", data(), "--recipe", recipe, "--output", (folder / "m.pth").string()},
               "--recipe");
  EXPECT_EQ(digest(weights), digest(model()));
}

TEST_F(Command, WhatAnotherRunLeftIsRenamed) {
  const TemporaryFolder folder;
  const std::string other = R"({"0": "azul"})";
  write_text(folder / "class_indices.json", other);
  for (const std::string name : {"a", "b"}) {
    const Result result =
        run(Arguments{"train", data(), "--output", (folder / (name + ".pth")).string()} + kSmallNet);
    ASSERT_EQ(result.code, 0) << result.err;
  }
  EXPECT_EQ(read_text(folder / "class_indices.1.json"), other);
  EXPECT_FALSE(fs::exists(folder / "class_indices.2.json")) << "both runs have the same classes";
  for (const std::string name :
       {"metrics.1.csv", "recipe.1.json", "report.1.html", "metrics.csv", "report.html"})
    EXPECT_TRUE(fs::exists(folder / name)) << name;
  EXPECT_FALSE(fs::exists(folder / "metrics.2.csv"));
}

TEST_F(Command, EvaluateAsText) {
  const Result result = run({"evaluate", "--model", model(), data(), "--flip-average"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("accuracy: ")) << result.out;
  EXPECT_TRUE(std::regex_search(result.out, std::regex("class +precision +recall +f1 +pictures\n"
                                                       "blue( +\\d\\.\\d{4}){3} +4\n"
                                                       "red ( +\\d\\.\\d{4}){3} +4\n")))
      << result.out;
  EXPECT_TRUE(std::regex_search(
      result.out, std::regex("confusion matrix [^\n]*\n +blue +red\nblue( +\\d){2}\nred ( +\\d){2}\n\n"
                             "temperature 0\\.\\d+: expected calibration error \\d\\.\\d{4}, negative log "
                             "likelihood \\d+\\.\\d{4}\n$")))
      << result.out;
}

TEST_F(Command, EvaluateSkipsWhatIsNoPictureUnlessStrict) {
  const TemporaryFolder folder;
  write_two_colours(folder.path(), 2);
  write_text(folder / "red/broken.jpg", "no picture");
  const Arguments command{"evaluate", "--model", model(), folder.path().string(), "--json"};
  const Result result = run(command);
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(contains(result.err, "red/broken.jpg")) << result.err;
  EXPECT_TRUE(contains(result.err, "1 file was skipped")) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out)["pictures"], 4);
  EXPECT_EQ(nlohmann::json::parse(result.out)["skipped"], 1);
  expect_error(command + Arguments{"--strict"}, "broken.jpg");
}

TEST_F(Command, CalibrateWritesWhatItFitsIntoTheFile) {
  const TemporaryFolder folder;
  fs::copy(*shared_ / "out", folder.path(), fs::copy_options::recursive);
  const std::string file = (folder / "small.pth").string();
  // Other pictures than those that the end of training has calibrated by.
  const Arguments evaluate{"evaluate", "--model", file, data() + "/train", "--precision", "fp32", "--json"};
  const Result result = run(evaluate + Arguments{"--calibrate"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json fitted = nlohmann::json::parse(result.out).at("calibrated");
  EXPECT_EQ(digest(file), digest(model()));
  const std::string text = run({"inspect", file}).out;
  const auto number = [&](const char* name, const nlohmann::json& value) {
    std::array<char, 64> line{};
    std::snprintf(line.data(), line.size(), "\n%s: %g\n", name, value.get<double>());
    EXPECT_TRUE(contains(text, line.data())) << text;
  };
  number("temperature", fitted.at("temperature"));
  number("threshold", fitted.at("threshold").at("probability"));

  const nlohmann::json again = nlohmann::json::parse(run(evaluate).out);
  EXPECT_EQ(again.at("temperature"), fitted.at("temperature"));
  EXPECT_NEAR(again.at("calibration").at("nll").get<double>(),
              fitted.at("calibration").at("nll").get<double>(), 1e-4)
      << "the temperature is not what it is evaluated with";
  const nlohmann::json twice =
      nlohmann::json::parse(run(evaluate + Arguments{"--calibrate"}).out).at("calibrated");
  EXPECT_EQ(twice.at("temperature"), fitted.at("temperature")) << "fitted to what was fitted already";
  const auto first = [&](const std::string& of) {
    return nlohmann::json::parse(run({"predict", "--model", of, picture(), "--json"}).out)
        .at(0)
        .at("predictions")
        .at(0)
        .at("probability")
        .get<double>();
  };
  EXPECT_NE(first(file), first(model()));
}

TEST_F(Command, CalibrateSaysWhatItCannotDo) {
  const TemporaryFolder folder;
  const std::string file = (folder / "m.pth").string();
  const Arguments calibrate{"evaluate", "--model", file, data(), "--calibrate"};
  ASSERT_EQ(run({"convert", model(), file, "--activation", "sigmoid"}).code, 0);
  expect_error(calibrate, "multi-label");
  const Result result = run({"evaluate", "--model", file, data()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_FALSE(contains(result.out, "calibration")) << result.out;
  const Checkpoint checkpoint = read_checkpoint(model());
  write_checkpoint(file, checkpoint.tensors, nullptr);
  const std::string bytes = read_text(file);
  expect_error(calibrate, "resnet convert");
  EXPECT_EQ(read_text(file), bytes);
  expect_error(calibrate + Arguments{"--flip-average"}, "--flip-average");
}

TEST_F(Command, EvaluateRefusesAnUnknownClass) {
  const TemporaryFolder folder;
  write_picture(folder / "green/1.png", {0, 200, 0}, 1);
  expect_error({"evaluate", "--model", model(), folder.path().string()}, "green");
}

TEST_F(Command, PredictPrintsTheBestFirst) {
  const Result result = run({"predict", "--model", model(), picture()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(std::regex_match(
      result.out, std::regex(R"(class: red   prob: \d\.\d{3}\nclass: blue   prob: \d\.\d{3}\n)")))
      << result.out;
  EXPECT_EQ(run({"predict", "--model", model(), "--top-k", "1", picture()}).out.find("blue"),
            std::string::npos);
}

TEST_F(Command, PredictFoldersAsJsonAndSaves) {
  const TemporaryFolder folder;
  const Result result =
      run({"predict", "--model", model(), "--json", "--save", folder.path().string(), data() + "/val"});
  ASSERT_EQ(result.code, 0) << result.err;
  const nlohmann::json document = nlohmann::json::parse(result.out);
  ASSERT_EQ(document.size(), 8U);
  EXPECT_EQ(document[7]["predictions"][0]["class"], "red");
  EXPECT_TRUE(fs::exists(folder / "0008_r3.png"));
  const Result one = run({"predict", "--model", model(), "--save", (folder / "one.jpg").string(), picture()});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(cv::imread((folder / "one.jpg").string()).cols, 40);
  EXPECT_EQ(run({"predict", "--model", model(), "--save", (folder / "one.png").string(), picture()}).code, 0);
  EXPECT_GT(cv::norm(cv::imread((folder / "one.png").string()), cv::imread(picture()), cv::NORM_INF), 50)
      << "nothing is written on the picture";
}

TEST_F(Command, PredictSaysWhatIsWrong) {
  const TemporaryFolder folder;
  write_text(folder / "bad.jpg", "no picture");
  expect_error({"predict", "--model", model(), (folder / "bad.jpg").string()}, "bad.jpg");
  expect_error({"predict", "--model", model(), (folder / "none.jpg").string()}, "none.jpg");
  expect_error({"predict", "--model", (folder / "none.pth").string(), picture()}, "none.pth");
  const Result result = run({"predict", "--model", model(), (folder / "bad.jpg").string(), picture()});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(contains(result.err, "1 picture was skipped")) << result.err;
}

TEST_F(Command, ShowWithoutADisplayIsAnError) {
  unsetenv("DISPLAY");
  unsetenv("WAYLAND_DISPLAY");
  const Result result = run({"predict", "--model", model(), "--show", picture()});
  EXPECT_EQ(result.code, 1);
  EXPECT_TRUE(contains(result.err, "--save")) << result.err;
}

TEST_F(Command, InspectShowsArchitectureClassesAndTensors) {
  const Result result = run({"inspect", model()});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "architecture: ResNet (BasicBlock 1-1-1-1, width 8)")) << result.out;
  EXPECT_TRUE(contains(result.out, "classes: 2 (blue, red)")) << result.out;
  EXPECT_TRUE(contains(result.out, "layer1.0.conv1.weight")) << result.out;
  EXPECT_TRUE(contains(result.out, "CenterCrop(32)")) << result.out;
}

TEST_F(Command, InspectListsWhatIsNoResNetAndFails) {
  const TemporaryFolder folder;
  const std::string file = (folder / "other.safetensors").string();
  write_safetensors(file, {{"encoder.weight", at::zeros({3, 4})}, {std::string(1000, 'n'), at::zeros({1})}},
                    nullptr);
  const Result result = run({"inspect", file});
  EXPECT_NE(result.code, 0);
  // A name of 1000 characters does not move the lines of the others.
  EXPECT_TRUE(contains(result.out, "encoder.weight" + std::string(64 - 14, ' ') + "  float32   [3, 4]\n"))
      << result.out;
  EXPECT_TRUE(contains(result.err, "not a supported ResNet")) << result.err;
}

TEST_F(Command, ConvertStampsAndKeepsTheTensors) {
  const TemporaryFolder folder;
  const std::string other = (folder / "other.safetensors").string();
  const std::string labels = (folder / "names.json").string();
  write_text(labels, R"({"0": "azul", "1": "rojo"})");
  const Result result =
      run({"convert", model(), other, "--resize", "48", "--crop", "40", "--mean", "0.5,0.4,0.3", "--std",
           "0.2,0.2,0.25", "--labels", labels, "--activation", "sigmoid", "--fit", "stretch"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(digest(other), digest(model()));
  const std::string text = run({"inspect", other}).out;
  EXPECT_TRUE(
      contains(text, "Resize((48, 48), bilinear), CenterCrop(40), mean 0.5 0.4 0.3, std 0.2 0.2 0.25"))
      << text;
  EXPECT_TRUE(contains(text, "azul, rojo")) << text;
  EXPECT_TRUE(contains(text, "activation: sigmoid")) << text;
  expect_error({"convert", model(), other, "--resize", "30"}, "--crop 32 is larger");
}

TEST_F(Command, ConvertWritesOnnxWithWhatIsStamped) {
  const TemporaryFolder folder;
  const std::string file = (folder / "small.ONNX").string();
  const Result result = run({"convert", model(), file, "--resize", "48"});
  if (contains(result.err, "libonnx-dev")) GTEST_SKIP() << "this build has no ONNX";
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string bytes = read_text(file);
  for (const std::string& part :
       std::vector<std::string>{"gst-resnet", "layer4.0.conv2.weight", R"(["blue","red"])",
                                R"("resize_size":48)", digest(model())}) {
    EXPECT_TRUE(contains(bytes, part)) << part;
  }
  expect_error({"inspect", file}, "is no checkpoint");
  expect_error({"convert", model(), "/proc/small.onnx"}, "/proc/small.onnx cannot be written");
}

TEST_F(Command, TheSameSeedGivesTheSameWeightsWithAnyWorkers) {
  const TemporaryFolder folder;
  const std::string other = (folder / "other.pth").string();
  ASSERT_EQ(run(Arguments{"train", data(), "--output", other} + kSmallNet +
                Arguments{"--workers", "1", "--cache-mb", "0"})
                .code,
            0);
  EXPECT_EQ(digest(other), digest(model()));
  ASSERT_EQ(
      run(Arguments{"train", data(), "--fresh", "--output", other} + kSmallNet + Arguments{"--seed", "4"})
          .code,
      0);
  EXPECT_NE(digest(other), digest(model()));
}

TEST_F(Command, PartsOfABatchMayBeDoneByAnyNumberOfThreads) {
  const TemporaryFolder folder;
  std::vector<std::string> digests;
  for (const std::string threads : {"1", "2", "3"}) {
    const std::string out = (folder / (threads + ".pth")).string();
    const Result result = run(Arguments{"train", data(), "--fresh", "--output", out} + kSmallNet +
                              Arguments{"--norm-batch", "3", "--threads", threads});
    ASSERT_EQ(result.code, 0) << result.err;
    digests.push_back(digest(out));
  }
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_EQ(digests[0], digests[2]);
  EXPECT_NE(digests[0], digest(model()));  // statistics of three pictures are not those of eight
}

TEST_F(Command, CtrlCExitsWith130AndTheNextRunGoesOnExactly) {
  const TemporaryFolder folder;
  for (const std::string recipe : {"classic", "scratch"}) {
    Arguments settings = kSmallNet + Arguments{"--epochs", "25", "--preset", recipe};
    if (recipe == "scratch") settings = settings + Arguments{"--norm-batch", "4", "--threads", "2"};
    const fs::path whole = folder / (recipe + "-whole/model.pth");
    const fs::path parts = folder / (recipe + "-parts/model.pth");
    ASSERT_EQ(run(Arguments{"train", data(), "--output", whole.string()} + settings).code, 0);

    const Arguments command = Arguments{"train", data(), "--output", parts.string()} + settings;
    // A file of its own: what the run before said must not be taken for this one's.
    const fs::path err = folder / (recipe + ".err");
    const pid_t child = start(command, folder / "out", err);
    for (int i = 0; i < 3000 && !contains(read_text(err), "[epoch 2]"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    kill(child, SIGINT);
    ASSERT_EQ(wait_for(child), 130) << read_text(err);
    EXPECT_TRUE(fs::exists(folder / (recipe + "-parts/model.last.safetensors")));
    EXPECT_TRUE(fs::exists(parts));

    const Result result = run(command);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(contains(result.err, "---Loading_Model---")) << result.err;
    EXPECT_FALSE(contains(result.err, "[epoch 1]")) << result.err;
    EXPECT_EQ(digest(parts.string()), digest(whole.string())) << recipe;
    const std::string csv = read_text(parts.parent_path() / "metrics.csv");
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 26);
  }
}

TEST_F(Command, ASecondRunStartsFromTheOutput) {
  const TemporaryFolder folder;
  fs::copy(*shared_ / "out", folder / "out");
  const std::string copy = (folder / "out/small.pth").string();
  const Result result =
      run(Arguments{"train", data(), "--output", copy} + kSmallNet + Arguments{"--epochs", "1"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "---Loading_Model---")) << result.err;
  EXPECT_TRUE(contains(result.err, "best val_accuracy so far")) << result.err;
  expect_error({"train", data(), "--output", copy, "--arch", "resnet18"}, "--arch asks for resnet18");
  write_two_colours(folder / "data/train", 2);
  write_two_colours(folder / "data/val", 2, 50);
  for (const std::string part : {"train", "val"}) {
    fs::rename(folder / ("data/" + part + "/red"), folder / ("data/" + part + "/green"));
  }
  expect_error(Arguments{"train", (folder / "data").string(), "--output", copy} + kSmallNet,
               "'red' as class 1");
}

TEST_F(Command, TheOutputComesBeforeWeightsUnlessFresh) {
  const TemporaryFolder folder;
  fs::copy(*shared_ / "out", folder / "out");
  const std::string weights = (folder / "weights.pth").string();
  fs::copy(model(), weights);
  const Arguments train{"train",        data(),  "--output",     (folder / "out/small.pth").string(),
                        "--weights",    weights, "--epochs",     "1",
                        "--batch-size", "8",     "--image-size", "32"};
  Result result = run(train);
  EXPECT_TRUE(contains(result.err, "---Loading_Model---\n")) << result.err;
  EXPECT_TRUE(contains(result.err, "weights from " + (folder / "out/small.pth").string())) << result.err;
  result = run(train + Arguments{"--fresh"});
  EXPECT_FALSE(contains(result.err, "---Loading_Model---")) << result.err;
  EXPECT_TRUE(contains(result.err, "weights from " + weights)) << result.err;
  result = run(Arguments{"train", data(), "--fresh", "--output", (folder / "out/small.pth").string()} +
               kSmallNet + Arguments{"--epochs", "1"});
  EXPECT_TRUE(contains(result.err, "random weights")) << result.err;
}

TEST_F(Command, WeightsOfOtherClassesGetANewHead) {
  const TemporaryFolder folder;
  write_two_colours(folder / "data", 12);
  write_picture(folder / "data/green/1.png", {0, 200, 0}, 1);
  write_picture(folder / "data/green/2.png", {0, 200, 0}, 2);
  const Result result =
      run({"train", (folder / "data").string(), "--output", (folder / "new.pth").string(), "--weights",
           model(), "--epochs", "1", "--image-size", "32", "--batch-size", "8"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(run({"inspect", (folder / "new.pth").string()}).out, "classes: 3 (blue, green, red)"));
}

TEST_F(Command, CorruptFilesAreNamedAndSkippedOrAnErrorWithStrict) {
  const TemporaryFolder folder;
  write_two_colours(folder / "data", 12);
  write_text(folder / "data/red/broken.jpg", "no picture");
  write_text(folder / "data/blue/notes.txt", "no picture");
  const Arguments train =
      Arguments{"train", (folder / "data").string(), "--output", (folder / "m.pth").string()} + kSmallNet;
  const Result result = run(train);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "red/broken.jpg")) << result.err;
  EXPECT_TRUE(contains(result.err, "notes.txt")) << result.err;
  EXPECT_TRUE(contains(result.err, "2 files were skipped")) << result.err;
  fs::remove(folder / "m.pth");
  fs::remove(folder / "data/blue/notes.txt");
  expect_error(train + Arguments{"--strict"}, "broken.jpg");
  EXPECT_FALSE(fs::exists(folder / "m.pth"));
}

TEST_F(Command, ErrorsComeBeforeTrainingStarts) {
  const TemporaryFolder folder;
  const std::string out = (folder / "m.pth").string();
  expect_error({"train", (folder / "none").string(), "--output", out}, "does not exist");
  write_text(folder / "file", "x");
  expect_error({"train", data(), "--output", (folder / "file/m.pth").string()}, "cannot be made");
  expect_error({"train", data(), "--output", folder.path().string()}, "is a folder");
  expect_error({"train", data(), "--output", "/proc/m.pth"}, "/proc/m.pth cannot be written");
  fs::create_directories(folder / "data/a");
  expect_error({"train", (folder / "data").string(), "--output", out}, "holds no picture");
  write_picture(folder / "data/a/1.png", {0, 0, 0}, 1);
  expect_error({"train", (folder / "data").string(), "--output", out}, "one class");
  expect_error({"train", data(), "--output", out, "--weights", (folder / "none.pth").string()}, "none.pth");
  expect_error({"train", data(), "--output", out, "--device", "tpu"}, "tpu");
  expect_error({"train", data(), "--output", out, "--arch", "resnet19"}, "resnet19");
  expect_error({"train"}, "DATA");
  expect_error({}, "subcommand");
}

TEST_F(Command, ALossThatIsNoNumberEndsTheRunWithWhatToTry) {
  const TemporaryFolder folder;
  const std::string out = (folder / "m.pth").string(), huge = (folder / "huge.pth").string();
  Checkpoint start = read_checkpoint(model());
  for (auto& [name, tensor] : start.tensors) {
    if (name == "fc.weight") tensor.fill_(3e38);
  }
  write_checkpoint(huge, start.tensors, {});
  expect_error(Arguments{"train", data(), "--output", out, "--weights", huge} + kSmallNet, "lower --lr");
  EXPECT_FALSE(fs::exists(out)) << "no network that is not finite";
}

TEST_F(Command, QuietLeavesStderrEmpty) {
  const TemporaryFolder folder;
  const Result result = run(Arguments{"train", data(), "--quiet", "--output", (folder / "m.pth").string()} +
                            kSmallNet + Arguments{"--epochs", "1"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(contains(run({"--version"}).out, "resnet "));
}

}  // namespace
}  // namespace resnet
