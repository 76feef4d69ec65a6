// Every architecture against the real torchvision, both ways: its weights give the same logits here, and what
// is written here gives the same logits there.
#include <ATen/Context.h>
#include <ATen/ops/allclose.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include "model/executor.h"
#include "model/model_file.h"
#include "model/resnet.h"
#include "tests/model/checkpoint_fixtures.h"
#include "tests/model/python_process.h"

namespace resnet::testing {
namespace {

constexpr const char* program = R"(
import sys, traceback
import safetensors.torch, torch, torchvision

BOUND = 1e-4

class Torchvision:
    def make(self, name, path):
        """Statistics from one forward in training mode; then the weights, an input and its logits."""
        torch.manual_seed(3)
        self.network = torchvision.models.get_model(name, num_classes=7)
        with torch.no_grad():
            self.network(torch.randn(2, 3, 64, 64) + 0.5)
            self.network.eval()
            self.input = torch.randn(2, 3, 64, 64)
            self.logits = self.network(self.input)
        torch.save(self.network.state_dict(), path)
        torch.save({'input': self.input, 'logits': self.logits}, path + '.logits')
        return 'parameters %d' % sum(p.numel() for p in self.network.parameters())

    def check(self, path):
        """A file written elsewhere of the same weights."""
        if path.endswith('.safetensors'):
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, weights_only=True)
            assert list(state) == list(self.network.state_dict()), 'the names are in another order'
        for tensor in self.network.state_dict().values():
            tensor.zero_()
        self.network.load_state_dict(state, strict=True)
        with torch.no_grad():
            logits = self.network(self.input)
        difference = (logits - self.logits).abs().max().item()
        assert difference <= BOUND * max(1, self.logits.abs().max().item()), 'the logits differ by %g' % difference
        return 'equal'

    def seed(self, name, path):
        """The weights that a seed gives."""
        torch.manual_seed(11)
        torch.save(torchvision.models.get_model(name, num_classes=7).state_dict(), path)
        return 'saved'

torchvision_ = Torchvision()
for line in sys.stdin:
    verb, *arguments = line.split()
    try:
        answer = getattr(torchvision_, verb)(*arguments)
    except Exception as error:
        traceback.print_exc()
        answer = str(error).replace('\n', ' ') or type(error).__name__
    print(answer, flush=True)
)";

class Torchvision : public CheckpointTest, public ::testing::WithParamInterface<std::string> {
 protected:
  static void SetUpTestSuite() {
    if (has_python()) python_ = std::make_unique<PythonProcess>(program);
  }
  static void TearDownTestSuite() { python_.reset(); }
  void SetUp() override {
    if (!has_python()) GTEST_SKIP() << "RESNET_PYTHON names no Python with torch and torchvision";
  }

  static std::unique_ptr<PythonProcess> python_;
};
std::unique_ptr<PythonProcess> Torchvision::python_;

class EveryArchitecture : public Torchvision {};

TEST_P(EveryArchitecture, HasTorchvisionsNamesAndLogitsBothWays) {
  const auto path = folder_ / "torchvision.pth";
  const std::string made = python_->ask("make " + GetParam() + " " + path.string());
  ASSERT_TRUE(made.starts_with("parameters ")) << made;
  Model model = load_model(path);
  EXPECT_EQ(model.warnings, std::vector<std::string>{});
  EXPECT_EQ(model.info.architecture.name(), GetParam());
  EXPECT_EQ(model.network->num_classes(), 7);
  std::int64_t parameters = 0;
  for (const at::Tensor& parameter : model.network->parameters()) parameters += parameter.numel();
  EXPECT_EQ("parameters " + std::to_string(parameters), made);

  const Checkpoint expected = read_checkpoint(path.string() + ".logits");
  const at::Tensor logits = make_reference_executor(model.network)->run(*expected.find("input")).logits;
  const at::Tensor truth = *expected.find("logits");
  EXPECT_LE((logits - truth).abs().max().item<double>(),
            1e-4 * std::max(1.0, truth.abs().max().item<double>()));
  std::filesystem::remove(path);  // the ten networks together have 2 GB

  for (const char* name : {"ours.pth", "ours.safetensors"}) {
    save_model(folder_ / name, model.network, model.info);
    EXPECT_EQ(python_->ask("check " + (folder_ / name).string()), "equal") << name;
    std::filesystem::remove(folder_ / name);
  }
}

INSTANTIATE_TEST_SUITE_P(Torchvision, EveryArchitecture, ::testing::ValuesIn(architecture_names()),
                         [](const auto& test) { return test.param; });

class Seeds : public Torchvision {};

TEST_P(Seeds, OneSeedGivesTorchvisionsWeights) {
  const auto path = folder_ / "seed.pth";
  ASSERT_EQ(python_->ask("seed " + GetParam() + " " + path.string()), "saved");
  const Checkpoint expected = read_checkpoint(path);
  at::manual_seed(11);
  const ResNet network = make_resnet(find_architecture(GetParam()), 7);
  for (const auto& [name, tensor] : network->state_dict()) {
    EXPECT_TRUE(at::allclose(tensor, *expected.find(name), 1e-5, 1e-7)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Torchvision, Seeds, ::testing::Values("resnet18", "resnext50_32x4d"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace resnet::testing
