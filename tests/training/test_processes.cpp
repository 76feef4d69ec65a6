// Commands that several processes run together, on one machine and over a network between two.
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>

#include <ATen/ATen.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "model/checkpoint.h"
#include "tests/training/command_fixture.h"

namespace resnet {
namespace {

using namespace std::chrono_literals;

int free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(descriptor, plain, length), 0);
  EXPECT_EQ(getsockname(descriptor, plain, &length), 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

/// What torchrun sets.
Arguments place(int rank, int count, int port) {
  const std::string r = std::to_string(rank), n = std::to_string(count);
  return {"RANK=" + r,
          "WORLD_SIZE=" + n,
          "LOCAL_RANK=" + r,
          "LOCAL_WORLD_SIZE=" + n,
          "MASTER_ADDR=127.0.0.1",
          "MASTER_PORT=" + std::to_string(port)};
}

class Processes : public Command {
 protected:
  void SetUp() override {
#ifndef RESNET_HAVE_GLOO
    GTEST_SKIP() << "built without libgloo-dev";
#endif
  }

  /// Running commands and where their output goes.
  struct Team {
    explicit Team(std::size_t count) : members(count) {}
    std::vector<pid_t> members;
    TemporaryFolder logs;

    fs::path out(std::size_t rank) const { return logs / ("out" + std::to_string(rank)); }
    fs::path err(std::size_t rank) const { return logs / ("err" + std::to_string(rank)); }
    Result wait(std::size_t rank) const {
      const int code = wait_for(members[rank]);
      return {code, read_text(out(rank)), read_text(err(rank))};
    }
  };

  static std::unique_ptr<Team> start_all(const Arguments& command, int count) {
    auto team = std::make_unique<Team>(static_cast<std::size_t>(count));
    const int port = free_port();
    for (int rank = 0; rank < count; ++rank) {
      const auto i = static_cast<std::size_t>(rank);
      team->members[i] = start(command, team->out(i), team->err(i), place(rank, count, port));
    }
    return team;
  }

  static std::vector<Result> run_all(const Arguments& command, int count) {
    const auto team = start_all(command, count);
    std::vector<Result> results;
    for (std::size_t rank = 0; rank < team->members.size(); ++rank) {
      results.push_back(team->wait(rank));
      EXPECT_EQ(results.back().code, 0) << results.back().err;
    }
    return results;
  }

  /// How far two trainings from the same start went apart, relative to how far they went, all weights
  /// together.
  static double difference(const std::string& start, const std::string& a, const std::string& b) {
    double apart = 0, way = 0;
    const Checkpoint from = read_checkpoint(start), one = read_checkpoint(a), other = read_checkpoint(b);
    for (std::size_t i = 0; i < from.tensors.size(); ++i) {
      if (!from.tensors[i].second.is_floating_point()) continue;
      const at::Tensor origin = from.tensors[i].second.to(at::kDouble);
      way += (one.tensors[i].second - origin).square().sum().item<double>();
      apart +=
          (one.tensors[i].second - other.tensors[i].second.to(at::kDouble)).square().sum().item<double>();
    }
    EXPECT_GT(way, 1e-4);
    return std::sqrt(apart / way);
  }

  /// The command that trains from model(); `options` replace its own.
  static Arguments train(const std::string& output, const Arguments& options) {
    return Arguments{"train", data(), "--output", output, "--weights", model()} + kSmallNet +
           Arguments{"--optimizer", "sgd", "--momentum", "0"} + options;
  }
};

TEST_F(Processes, OneStepIsThatOfOneProcess) {
  const TemporaryFolder folder;
  const auto compare = [&](const Arguments& alone, const Arguments& together, int count, double most) {
    const std::string one = (folder / "one.pth").string(), all = (folder / "all.pth").string();
    ASSERT_EQ(run(train(one, alone) + Arguments{"--fresh"}).code, 0);
    run_all(train(all, together) + Arguments{"--fresh"}, count);
    EXPECT_LT(difference(model(), one, all), most);
  };
  // All 24 pictures in one step, so that the weights' way is the gradient.
  const Arguments step{"--batch-size", "24", "--epochs", "1", "--lr", "0.1"};
  compare(step, step, 2, 1e-5);
  compare(step, step, 4, 1e-5);
  compare(step, step, 5, 1e-5);
  const Arguments mixed = step + Arguments{"--mixup", "0.4"}, cut = step + Arguments{"--cutmix", "1"};
  compare(mixed, mixed, 2, 1e-5);
  compare(cut, cut, 5, 1e-5);
  const Arguments parts = step + Arguments{"--norm-batch", "12"};
  compare(parts, parts, 2, 1e-5);
  const Arguments sharpness = step + Arguments{"--sam", "0.05"};
  compare(sharpness, sharpness, 2, 1e-5);
  compare(parts, step + Arguments{"--no-sync-bn"}, 2, 1e-5);
}

TEST_F(Processes, AWholeRunEndsWhereThatOfOneProcessDoes) {
  const TemporaryFolder folder;
  // Batches of 10 and, at the end, of 4, which five processes cannot all have a part of.
  const Arguments options{"--batch-size", "10",  "--epochs",     "2", "--lr",        "0.01",
                          "--ema",        "0.9", "--accumulate", "2", "--clip-norm", "1",
                          "--momentum",   "0.9", "--norm-batch", "0"};
  const std::string one = (folder / "one/m.pth").string(), all = (folder / "all/m.pth").string();
  ASSERT_EQ(run(train(one, options)).code, 0);
  const std::vector<Result> results = run_all(train(all, options), 5);
  // Slices of a batch are others, so that batch norms see other pictures together.
  EXPECT_LT(difference(model(), one, all), 0.5);
  EXPECT_TRUE(contains(results[0].out, "best val_accuracy: ")) << results[0].out;
  for (std::size_t rank = 1; rank < results.size(); ++rank) {
    EXPECT_EQ(results[rank].out, "");
    EXPECT_EQ(results[rank].err, "");
  }
  const Arguments plain = options + Arguments{"--accumulate", "1"};
  ASSERT_EQ(run(train(one, plain) + Arguments{"--fresh"}).code, 0);
  run_all(train(all, plain) + Arguments{"--fresh"}, 5);
  EXPECT_LT(difference(model(), one, all), 1e-3);
}

TEST_F(Processes, AKilledProcessEndsTheOthersAndTheRunGoesOnFromWhatWasSaved) {
  const TemporaryFolder folder;
  const Arguments options{"--epochs", "150", "--ema", "0.9", "--no-sync-bn", "--save-minutes", "0.001"};
  const std::string whole = (folder / "whole/m.pth").string(), parts = (folder / "parts/m.pth").string();
  run_all(train(whole, options), 2);
  const fs::path last = folder / "parts/m.last.safetensors";
  for (const std::size_t killed : {1U, 0U}) {
    const bool there = fs::exists(last);
    const auto before = there ? fs::last_write_time(last) : fs::file_time_type();
    const auto team = start_all(train(parts, options), 2);
    const auto saved = [&] { return fs::exists(last) && (!there || fs::last_write_time(last) != before); };
    for (int i = 0; i < 3000 && !saved(); ++i) std::this_thread::sleep_for(10ms);
    kill(team->members[killed], SIGKILL);
    team->wait(killed);
    const Result other = team->wait(1 - killed);
    EXPECT_EQ(other.code, 1);
    EXPECT_TRUE(contains(other.err, "another process ended or does not answer")) << other.err;
    EXPECT_TRUE(fs::exists(last));
  }
  run_all(train(parts, options), 2);
  EXPECT_EQ(digest(parts), digest(whole));
}

TEST_F(Processes, OneThatIsInterruptedStopsAllAndNothingIsLost) {
  const TemporaryFolder folder;
  const std::string output = (folder / "out/m.pth").string();
  const auto team = start_all(train(output, {"--epochs", "5000"}), 2);
  for (int i = 0; i < 3000 && !fs::exists(folder / "out/metrics.csv"); ++i) std::this_thread::sleep_for(10ms);
  kill(team->members[1], SIGINT);
  kill(team->members[1], SIGINT);  // as a launcher passes on what the terminal has sent
  EXPECT_EQ(team->wait(0).code, 130);
  EXPECT_EQ(team->wait(1).code, 130);
  EXPECT_TRUE(fs::exists(folder / "out/m.last.safetensors"));
}

TEST_F(Processes, ATimeBudgetIsTheSameForAll) {
  const TemporaryFolder folder;
  const std::vector<Result> results = run_all(train((folder / "m.pth").string(), {"--minutes", "0.05"}), 2);
  EXPECT_TRUE(contains(results[0].err, "0.05 minutes are enough for ")) << results[0].err;
}

TEST_F(Processes, OtherPicturesAreAnError) {
  const TemporaryFolder folder;
  write_two_colours(folder / "data/train", 5);
  write_two_colours(folder / "data/val", 4);
  const int port = free_port();
  std::vector<pid_t> members;
  for (int rank = 0; rank < 2; ++rank) {
    Arguments command = train((folder / "m.pth").string(), {});
    if (rank == 1) command[1] = (folder / "data").string();
    const std::string log = "err" + std::to_string(rank);
    members.push_back(start(command, folder / "out", folder / log, place(rank, 2, port)));
  }
  for (std::size_t rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(wait_for(members[rank]), 1);
    EXPECT_TRUE(contains(read_text(folder / ("err" + std::to_string(rank))), "do not see the same pictures"));
  }
}

TEST_F(Processes, PredictAndEvaluateSayWhatOneProcessSays) {
  const TemporaryFolder folder;
  write_two_colours(folder / "many", 11, 500);
  std::ofstream(folder / "many/red/broken.png") << "no picture";
  for (const Arguments& command :
       {Arguments{"predict", (folder / "many").string(), "--model", model(), "--json"},
        Arguments{"evaluate", (folder / "many").string(), "--model", model()}}) {
    const Result alone = run(command);
    const std::vector<Result> together = run_all(command, 3);
    EXPECT_EQ(together[0].out, alone.out);
    EXPECT_EQ(together[1].out + together[2].out, "");
    EXPECT_TRUE(contains(together[0].err, "broken.png")) << together[0].err;
  }
}

/// Two hosts of a network, as far as the kernel can tell: namespaces, joined by a cable, each with its
/// loopback.
class Network {
 public:
  Network() {
    shell("ip netns add " + name(0) + " && ip netns add " + name(1) + " && ip link add veth" + id() +
          " netns " + name(0) + " type veth peer name veth" + id() + " netns " + name(1));
    for (const int host : {0, 1}) {
      const std::string in = "ip -n " + name(host) + ' ';
      shell(in + "addr add " + address(host) + "/24 dev veth" + id() + " && " + in + "link set veth" + id() +
            " up && " + in + "link set lo up");
    }
  }
  ~Network() {
    for (const int host : {0, 1}) shell("ip netns del " + name(host));
  }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  bool works() const { return works_; }
  static std::string name(int host) { return "resnet" + id() + "-" + std::to_string(host); }
  static std::string address(int host) { return "10.213.7." + std::to_string(host + 1); }

 private:
  static std::string id() { return std::to_string(getpid()); }
  void shell(const std::string& command) {
    works_ = std::system(("{ " + command + "; } 2>/dev/null").c_str()) == 0 && works_;
  }

  bool works_ = true;
};

TEST_F(Processes, TwoHostsTrainOverTheNetworkBetweenThem) {
  const Network network;
  if (!network.works()) GTEST_SKIP() << "ip(8) cannot make network namespaces here";
  const TemporaryFolder folder;
  const Arguments options{"--batch-size", "24", "--epochs", "1", "--lr", "0.1"};
  const std::string one = (folder / "one.pth").string(), both = (folder / "both.pth").string();
  ASSERT_EQ(run(train(one, options)).code, 0);
  std::string command;
  for (const int host : {1, 0}) {
    command += "env -u LOCAL_RANK RANK=" + std::to_string(host) +
               " WORLD_SIZE=2 MASTER_ADDR=" + Network::address(0) + " MASTER_PORT=29500 ip netns exec " +
               Network::name(host) + " \"$RESNET_BUILD_ROOT/training/resnet\"";
    // The second host has a disk of its own.
    const std::string output = host == 0 ? both : (folder / "elsewhere/both.pth").string();
    for (const std::string& argument : train(output, options)) command += " '" + argument + "'";
    command += host == 1 ? " & " : "";
  }
  EXPECT_EQ(std::system((command + "; code=$?; wait; exit $code").c_str()), 0);
  EXPECT_LT(difference(model(), one, both), 1e-5);
  EXPECT_FALSE(fs::exists(folder / "elsewhere"));
}

TEST_F(Processes, TorchrunStartsAgainWhatWasKilled) {
  const char* python = std::getenv("RESNET_PYTHON");
  if (python == nullptr ||
      std::system("\"$RESNET_PYTHON\" -c 'import torch.distributed.run' 2>/dev/null") != 0)
    GTEST_SKIP() << "RESNET_PYTHON names no Python with torchrun";
  const TemporaryFolder folder;
  const Arguments options{"--epochs", "150", "--save-minutes", "0.001"};
  const std::string whole = (folder / "whole/m.pth").string(), parts = (folder / "parts/m.pth").string();
  run_all(train(whole, options), 2);
  // The process that finds no mark kills itself when the first state is saved.
  const std::string script = (folder / "once.sh").string();
  std::ofstream(script) << "if [ \"$RANK\" = 1 ] && [ \"$TORCHELASTIC_RESTART_COUNT\" = 0 ]; then\n"
                        << "  (while [ ! -e '" << (folder / "parts/m.last.safetensors").string()
                        << "' ]; do sleep 0.01; done; kill -9 $$) &\nfi\nexec \"$@\"\n";
  std::string command =
      "\"$RESNET_PYTHON\" -m torch.distributed.run --standalone --nproc-per-node 2 "
      "--max-restarts 1 --no-python sh '" +
      script + "' \"$RESNET_BUILD_ROOT/training/resnet\"";
  for (const std::string& argument : train(parts, options)) command += " '" + argument + "'";
  const std::string log = (folder / "log").string();
  EXPECT_EQ(std::system((command + " > '" + log + "' 2>&1").c_str()), 0) << read_text(log);
  EXPECT_TRUE(contains(read_text(log), "going on after epoch")) << read_text(log);
  EXPECT_EQ(digest(parts), digest(whole));
}

TEST_F(Processes, OpenMpisVariablesAreUnderstood) {
  const TemporaryFolder folder;
  const Arguments command{"evaluate", data(), "--model", model()};
  const std::string port = std::to_string(free_port());
  std::vector<pid_t> members;
  for (const std::string rank : {"0", "1"}) {
    members.push_back(
        start(command, folder / ("out" + rank), folder / ("err" + rank),
              {"OMPI_COMM_WORLD_RANK=" + rank, "OMPI_COMM_WORLD_SIZE=2", "OMPI_COMM_WORLD_LOCAL_RANK=" + rank,
               "OMPI_COMM_WORLD_LOCAL_SIZE=2", "MASTER_PORT=" + port}));
  }
  for (const pid_t member : members) EXPECT_EQ(wait_for(member), 0);
  EXPECT_EQ(read_text(folder / "out0"), run(command).out);
  EXPECT_EQ(read_text(folder / "out1"), "");
}

TEST_F(Processes, ALauncherThatMakesNoSenseIsAnError) {
  const TemporaryFolder folder;
  const auto error_with = [&](const Arguments& environment) {
    EXPECT_EQ(wait_for(start({"evaluate", data(), "--model", model()}, folder / "out", folder / "err",
                             environment)),
              1);
    return read_text(folder / "err");
  };
  EXPECT_TRUE(contains(error_with({"RANK=2", "WORLD_SIZE=2"}), "RANK is 2 and its WORLD_SIZE 2"));
  EXPECT_TRUE(contains(error_with({"RANK=x", "WORLD_SIZE=2"}), "RANK is 'x', expected a whole number"));
  EXPECT_TRUE(contains(error_with({"RANK=0"}), "WORLD_SIZE missing"));
  EXPECT_TRUE(contains(
      error_with({"RANK=0", "WORLD_SIZE=2", "MASTER_ADDR=no.such.host.invalid", "MASTER_PORT=29500"}),
      "resnet: error: "));
  EXPECT_EQ(wait_for(start({"evaluate", data(), "--model", model()}, folder / "out", folder / "err",
                           {"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=1"})),
            0);
}

}  // namespace
}  // namespace resnet
